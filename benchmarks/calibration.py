"""What the judges' figures mean: `python benchmarks/calibration.py CLONE [--records N ...]`.

For each number of records it prints FD, KID, coverage and the CLIP score, in the judges of a clone's last run, of the
floor (random patient-disjoint halves of the human-validated held-out records) and of controls: flat lines, shuffled
leads, noise, and the mean record of each class. A generated dataset means something between the floor and these.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.autoencoder.model import Autoencoder
from sediff.bootstrap import interval, patient_draws
from sediff.ecg import SAMPLING_RATE, independent_leads, to_millivolts
from sediff.encoder.pinned import judges_hash
from sediff.encoder.scores import MIN_CASES
from sediff.encoder.text_ecg import TextJudge
from sediff.evaluation import agreement
from sediff.evaluation.compared import Judges
from sediff.evaluation.controls import controls
from sediff.evaluation.distribution import distances
from sediff.evaluation.evidence import floor_rows, reconstructed
from sediff.evaluation.likeness import reconstruction_distance
from sediff.records import read_columns, read_signals
from sediff.vocabulary import Vocabulary, statement_labels

Signals = NDArray[np.float32]
NEIGHBOURS = 5
FIRST_BEAT = 0.5  # s, where the records of a class are aligned


def table(
    name: str, judge, sets: dict[str, Signals], patients: list[str], records: int, draws: int, seed: int
) -> list[str]:
    """Rows of FD, KID and coverage in one judge's features; "real" is the floor."""
    features = {control: judge.features(signals) for control, signals in sets.items()}
    held_out = features.pop("real")
    rng = np.random.default_rng(seed)
    found = distances(held_out, patients, features, patients, NEIGHBOURS, draws, rng, records)
    lines = []
    for control in ("real", *features):
        told = (_told(found[control][metric]) for metric in ("fd", "kid", "coverage"))
        lines.append(f"| {name} | {found['records_compared']} | {control.replace('_', ' ')} | {' | '.join(told)} |")
    return lines


def _told(value: dict[str, float]) -> str:
    return f"{value['median']:.3g} ({value['low']:.3g} to {value['high']:.3g})"


def text_lines(judge: TextJudge, sets: dict[str, Signals], held_out: pl.DataFrame, draws: int, seed: int) -> list[str]:
    """Rows of the CLIP score: mean cosine of each record's text and what stands in its place; patients are drawn."""
    texts, patients = held_out["report"].to_list(), held_out["patient_id"].to_numpy()
    places, rng = judge.texts(judge.encode(texts, Vocabulary.load())), np.random.default_rng([seed, 2])
    ecgs = {name: judge.ecgs(signals) for name, signals in sets.items()}
    ecgs["real, of another text"] = ecgs["real"][rng.permutation(len(texts))]
    lines = []
    for name, values in ecgs.items():
        cosine = (places * values).sum(1)
        means = [float(cosine[rows].mean()) for rows in patient_draws(patients, draws, rng)]
        lines.append(f"| {name.replace('_', ' ')} | {len(texts)} | {_told(interval(means))} |")
    return lines


def class_means(
    training: Signals, peaks: Sequence[Sequence[float]], classes: Sequence[str], wanted: Sequence[str]
) -> Signals:
    """For each wanted class the mean of its training records, their first R peak at 0.5 s: (n, 8, 1000), mV.

    What a model that has learned one record for each class would make. A class without training records has the mean
    of all.

    Args:
        training: (m, 8, 1000), mV; peaks: of each, s; classes: of each.
    """
    shifts = [round((FIRST_BEAT - row[0]) * SAMPLING_RATE) if len(row) else 0 for row in peaks]
    aligned = np.stack([np.roll(signal, shift, -1) for signal, shift in zip(training, shifts, strict=True)])
    names = np.array(classes)
    means = {name: aligned[names == name].mean(0) for name in np.unique(names)}
    overall = aligned.mean(0)
    return np.stack([means.get(name, overall) for name in wanted])


def main() -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, help="folder of a clone whose corpus and encoder stages have run")
    parser.add_argument("--records", type=int, nargs="+", default=[300, 1000], help="numbers of records")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    corpus, folder = arguments.clone / "data/corpus/records", arguments.clone / "data/encoder/judges"
    judges, vocabulary = Judges.load(folder), Vocabulary.load()
    columns, stored = read_columns(corpus), read_signals(corpus)
    floor, training = floor_rows(columns, 2), (columns["split"] == "train").to_numpy()
    held_out, known = columns.filter(pl.Series(floor)), columns.filter(pl.Series(training))
    real = to_millivolts(independent_leads(stored[floor]))
    classes = [[_class(codes, vocabulary) for codes in rows["statements"].to_list()] for rows in (known, held_out)]
    means = class_means(to_millivolts(independent_leads(stored[training])), known["r_peaks"].to_list(), *classes)
    sets = {"real": real, **controls(real, np.random.default_rng(arguments.seed)), "class_means": means}
    print(
        f"Judges {judges_hash(folder)[:12]}; {len(real)} held-out records, {held_out['patient_id'].n_unique()} patients"
    )
    print(f"\nMedian and 95 % interval of {arguments.draws} draws. Coverage: k = {NEIGHBOURS}.\n")
    print("| judge | records | what is compared with real records | FD | KID | coverage |\n|---|---|---|---|---|---|")
    patients = held_out["patient_id"].to_list()
    for judge in (judges.statement, judges.waveform):
        for records in arguments.records:
            rows = table(judge.name, judge, sets, patients, records, arguments.draws, arguments.seed)
            print("\n".join(rows))
    network = Autoencoder.load(arguments.clone / "data/autoencoder")
    copies, originals = (judges.statement.features(x) for x in (reconstructed(network, real), real))
    for records in arguments.records:
        size, rng = min(records, len(real)), np.random.default_rng([arguments.seed, 3])
        own = reconstruction_distance(copies, originals, size, arguments.draws, rng)
        told = _told(own["fd"])
        print(f"\nReconstructions against their own originals, statement judge, {size} records: FD {told}")
    print("\n| in the place of the record | records | CLIP score |\n|---|---|---|")
    print("\n".join(text_lines(judges.text, sets, held_out, arguments.draws, arguments.seed)))
    print("\n| in the place of the record | AUROC of its statements |\n|---|---|")
    truth = statement_labels(held_out["statements"].to_list(), judges.statement.codes)
    for name, signals in sets.items():
        found = judges.statement.probabilities(signals)
        scores = agreement.scores(truth, found, judges.statement.codes, MIN_CASES)
        print(f"| {name.replace('_', ' ')} | {scores['auroc']:.3f} |" if scores else f"| {name} | too few cases |")


def _class(codes: list[str], vocabulary: Vocabulary) -> str:
    """The superclasses of a record, joined."""
    return " ".join(sorted(vocabulary.superclasses(codes)))


if __name__ == "__main__":
    main()
