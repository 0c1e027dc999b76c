"""Diversity within a condition: `python benchmarks/diversity.py CLONE [--conditions 50] [--records 16]`.

Makes several records of each of some held-out conditions with the models of a clone's last run, each with a seed of its
own, and sets their spread in the judges' features beside that of real records matched in statements, sex, age and rate.
The real ones are of any split, but of patients that the judges were not trained on. Beside them: their reconstructions
through the autoencoder, and as a control one record of each condition repeated. The figures go to
CLONE/reports/diversity/metrics.json, where `targets.py` finds them.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from sediff.autoencoder.model import Autoencoder
from sediff.ecg import independent_leads, to_millivolts
from sediff.encoder.conditions import corpus_conditions
from sediff.encoder.embedding import EmbeddingAccess
from sediff.encoder.patients import Training
from sediff.evaluation.compared import Judges
from sediff.evaluation.diversity import diversity, matched_conditions
from sediff.evaluation.evidence import reconstructed
from sediff.files import write_json
from sediff.params import Params
from sediff.records import read_columns, read_signals
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.request import RequestRow
from sediff.vocabulary import Vocabulary

DRAWS = 200


def main() -> None:
    """Print a table and write the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, help="folder of a clone whose diffusion stage has run")
    parser.add_argument("--conditions", type=int, default=50)
    parser.add_argument("--records", type=int, default=16, help="records of each condition")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data, records = arguments.clone / "data", arguments.records
    columns, rng = read_columns(data / "corpus/records"), np.random.default_rng(arguments.seed)
    judges, vocabulary = Judges.load(data / "encoder/judges"), Vocabulary.load()
    known = set(Training.read(data / "encoder/judges").patients)
    held_out = (columns["split"] == "test").to_numpy()
    pool = ~np.isin(columns["patient_id"].to_numpy(), sorted(known))
    found = matched_conditions(columns, held_out, pool, arguments.conditions, records, rng)
    if not found:
        raise SystemExit(f"no held-out condition has {records} matched real records: lower --records.")
    chosen = columns[[condition.row for condition in found]]
    asked = [
        RequestRow(condition, tuple(codes), record_id)
        for condition, codes, record_id in zip(
            corpus_conditions(chosen, data / "knowledge"),
            chosen["statements"].to_list(),
            chosen["record_id"],
            strict=True,
        )
    ]
    generator = EcgGenerator.load(data, vocabulary, torch.device("cpu"), EmbeddingAccess())
    slots = [Slot(arguments.seed, index) for index in range(len(asked) * records)]
    sampler = Params.load(arguments.clone / "params.yaml").synthesis.sampler
    made = generator.make([row for row in asked for _ in range(records)], slots, sampler)
    matched = np.concatenate([condition.matches for condition in found])
    mask = np.zeros(len(columns), bool)
    mask[matched] = True
    place = np.cumsum(mask) - 1
    real = to_millivolts(independent_leads(read_signals(data / "corpus/records", mask)))[place[matched]]
    sets = {
        "synthetic": to_millivolts(independent_leads(made)),
        "reconstructed": reconstructed(Autoencoder.load(data / "autoencoder"), real),
        "repeated": np.repeat(real[::records], records, axis=0),
    }
    metrics: dict[str, dict] = {}
    print(
        "| judge | records | mean distance | of real | ratio (95 % interval over conditions) |\n|---|---|---|---|---|"
    )
    for judge in (judges.statement, judges.waveform):
        of_real = np.split(judge.features(real), len(found))
        metrics[judge.name] = {}
        for name, signals in sets.items():
            of_set = np.split(judge.features(signals), len(found))
            values = diversity(of_set, of_real, DRAWS, np.random.default_rng([arguments.seed, 1]))
            metrics[judge.name][name] = values
            if "over_real" not in values:
                raise SystemExit(values["left_out"] + ": lower --records.")
            ratio = values["over_real"]
            told = f"{ratio['ratio']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
            print(f"| {judge.name} | {name} | {values['synthetic']:.3g} | {values['real']:.3g} | {told} |")
    print(f"\n{len(found)} conditions of {chosen['statements'].n_unique()} sets of statements, {records} records each.")
    size = {"conditions": len(found), "records": records}
    write_json(arguments.clone / "reports/diversity/metrics.json", {**size, **metrics})


if __name__ == "__main__":
    main()
