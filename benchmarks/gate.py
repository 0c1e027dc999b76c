"""What the gate changes: `python benchmarks/gate.py [--data data] [--records 2000] [--tries 3] [--workers 1]`.

With the models below `--data` and the settings of params.yaml, the conditions of held-out patients are made twice, as
the evaluation has them and through the gate, which those never pass. Both are measured as the evaluation measures, and
printed as tables in Markdown beside the real records of the same conditions: by stratum what was made again and missed
at last; FD, KID and coverage; the rate, its dispersion by rhythm; and the share of records that look like fibrillation
(irregular, P waves before less than half of the beats) or hold early wide beats, and of those that judge (a) takes for
fibrillation or ventricular ectopy.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sediff.encoder.embedding import EmbeddingAccess
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, SYNTHETIC
from sediff.evaluation.likeness import likeness
from sediff.evaluation.readings import Readings
from sediff.evaluation.rhythm import heart_rate, rhythm
from sediff.evaluation.strata import STRATA, strata_of
from sediff.params import Params
from sediff.processes import in_processes
from sediff.pseudonyms import Pseudonyms
from sediff.synthesis.shards import Shards
from sediff.synthesis.synthesize import Cohort, Dataset, models_in, synthesize
from sediff.vocabulary import Vocabulary

JUDGED = {"fibrillation": "AFIB", "ventricular ectopy": "PVC"}
Row = tuple[str, str, str, str]


def made(dataset: Dataset, records: int, workers: int) -> Path:
    """Make a dataset and say where it is."""
    Shards(dataset.folder).open({"gate": str(dataset.gate)})
    synthesize(dataset, records, in_processes(workers))
    return dataset.folder


def rows(plain: Evidence, gated: Evidence, irregular: float) -> Iterator[Row]:
    """Name of each figure, without the gate, with it, and of the real records."""
    yield from _distances(likeness(plain), likeness(gated))
    yield from _rates(heart_rate(plain)["heart_rate"], heart_rate(gated)["heart_rate"])
    yield from _rhythms(rhythm(plain)["rhythm"], rhythm(gated)["rhythm"])
    yield from _looks(plain, gated, irregular)
    yield from _judged(plain, gated)


def _distances(plain: dict[str, Any], gated: dict[str, Any]) -> Iterator[Row]:
    """Of judge (a); what stands for the real ones is the floor."""
    one, two = plain["distribution"], gated["distribution"]
    for metric in ("fd", "kid", "coverage"):
        told = (_interval(of[name][metric]) for of, name in ((one, SYNTHETIC), (two, SYNTHETIC), (one, "real")))
        yield (f"{metric.upper() if metric != 'coverage' else metric}, {one['records_compared']} records", *told)


def _rates(plain: dict[str, Any], gated: dict[str, Any]) -> Iterator[Row]:
    for name, key in (("rate off by, bpm", "mae_bpm"), ("in sinus rhythm, bpm", "mae_sinus_bpm")):
        yield name, f"{plain[key]:.2f}", f"{gated[key]:.2f}", f"{plain[REAL][key]:.2f}"


def _rhythms(plain: dict[str, Any], gated: dict[str, Any]) -> Iterator[Row]:
    for key, of in ((key, of) for key, of in plain.items() if {"records"} <= of.keys() & gated[key].keys()):
        name = key.replace("_", " ")
        other, count = gated[key], f"{of['records']} records"
        shares = (of["irregular_synthetic"], other["irregular_synthetic"], of["irregular_real"])
        yield (f"irregular among {name}, {count}", *(f"{share:.1%}" for share in shares))
        told = (f"{value:.4f}" for value in (of["wasserstein"], other["wasserstein"], of["wasserstein_real_halves"]))
        yield (f"Wasserstein-1 of RMSSD / mean RR, {name}", *told)


def _looks(plain: Evidence, gated: Evidence, irregular: float) -> Iterator[Row]:
    read = plain.read_made, gated.read_made, plain.read[REAL]
    yield ("look like fibrillation", *(f"{_fibrillates(of, irregular).mean():.2%}" for of in read))
    yield ("hold early wide beats", *(f"{(of.ventricular > 0).mean():.2%}" for of in read))
    yield ("early wide beats, of all beats", *(f"{np.nanmean(of.ventricular):.2%}" for of in read))


def _fibrillates(read: Readings, irregular: float) -> np.ndarray:
    return (read.dispersion > irregular) & (read.p_share < 0.5)


def _judged(plain: Evidence, gated: Evidence) -> Iterator[Row]:
    judge = plain.judges.statement
    found = [judge.probabilities(of.leads) for of in (plain.made, gated.made, plain.sets[REAL])]
    for name, code in JUDGED.items():
        if code in judge.codes:
            column = judge.codes.index(code)
            yield (f"{name}, mean probability by judge (a)", *(f"{of[:, column].mean():.4f}" for of in found))


def _interval(of: dict[str, float]) -> str:
    return f"{of['median']:.3g} ({of['low']:.3g} to {of['high']:.3g})"


def again(rows: pl.DataFrame) -> Iterator[str]:
    """By stratum: records, what was made again, what was missed at last and how."""
    strata = strata_of(rows["statements"].to_list())
    for name in (*STRATA, "other", "all"):
        own = rows if name == "all" else rows.filter(pl.Series(strata == name))
        if len(own):
            remade, missed = (own["try"] > 0).mean(), (own["miss"].list.len() > 0).mean()
            kinds = own["miss"].explode(empty_as_null=False).value_counts().sort("miss").rows()
            told = ", ".join(f"{kind} {count}" for kind, count in kinds)
            yield f"| {name} | {len(own)} | {remade:.1%} | {missed:.1%} | {told} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    params, vocabulary = Params.load(), Vocabulary.load()
    gate = params.synthesis.gate.model_copy(update={"tries": arguments.tries})
    data, seed = arguments.data.resolve(), params.reproducibility.seed
    with tempfile.TemporaryDirectory() as name:
        request, sampler = Cohort("test", arguments.records), params.synthesis.sampler
        common = (request, sampler, None, seed, "benchmark", data, ("cpu",), EmbeddingAccess(), Pseudonyms())
        plain = Dataset("evaluation", *common, Path(name) / "plain", models_in(data))
        gated = replace(plain, gate=gate, folder=Path(name) / "gated")
        found = [
            Evidence.load(
                params.evaluation, data / "corpus", made(dataset, arguments.records, arguments.workers),
                data / "encoder/judges", data / "autoencoder", data / "simulator", vocabulary, seed, Pseudonyms(),
            )
            for dataset in (plain, gated)
        ]  # fmt: skip
    print(f"{arguments.records} held-out conditions, at most {gate.tries} tries more; sampler {sampler}; {gate}\n")
    print("| stratum | records | made again | missed at last | what |\n|---|---|---|---|---|")
    print("\n".join(again(found[1].made.rows)))
    print("\n| | without the gate | with it | real |\n|---|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows(*found, params.evaluation.irregular)))


if __name__ == "__main__":
    main()
