"""Datasets of the simulator alone: records of a statement at a rate, as `sediff simulate` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from sediff.ecg import DURATION, LEADS, SAMPLES, SAMPLING_RATE, to_microvolts, twelve_leads
from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json, write_json
from sediff.records import SIGNAL, signal_column, write_table
from sediff.seeds import seed_of
from sediff.simulator.atria import fibrillation, flutter
from sediff.simulator.course import Course, sample_course
from sediff.simulator.morphology import FILE, OWN, Morphology
from sediff.simulator.ode import Waves
from sediff.simulator.rhythm import FIBRILLATION, FLUTTER, RHYTHMS, RhythmModel, rhythm_of
from sediff.simulator.simulate import BATCH, simulate
from sediff.vocabulary import Vocabulary

FILES = (FILE, "rhythm.parquet", "ectopy.parquet")
TIME = np.arange(SAMPLES) / SAMPLING_RATE
RATES = (20.0, 300.0)  # bpm


@dataclass(frozen=True)
class Wanted:
    """What is simulated: statements (none: everybody's beat), rate in bpm, and a rhythm.

    Without a rate it is that at which the statement's beat was fitted; without a rhythm, the one the statements name.
    """

    statements: tuple[str, ...]
    heart_rate: float | None = None
    rhythm: str = ""


class Simulated(NamedTuple):
    """Records, int16 microvolts (n, 12, 1000), their mean rate in bpm, rhythm, and whose morphology they have."""

    signals: NDArray[np.int16]
    courses: list[Course]
    heart_rate: float
    rhythm: str
    statement: str


class Simulator:
    """The fitted simulator."""

    def __init__(self, morphology: Morphology, rhythms: RhythmModel) -> None:
        self.morphology, self.rhythms = morphology, rhythms

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what the simulator stage wrote.

        Raises:
            UserError: it has not run.
        """
        return cls(Morphology.load(folder), RhythmModel.load(folder))

    def simulate(self, wanted: Wanted, records: int, seed: int) -> Simulated:
        """Make records; each is a function of what is wanted, the seed and its index.

        Raises:
            UserError: there is no such rhythm, no heart beats at this rate, or no record tells the usual one.
        """
        rhythm = wanted.rhythm or rhythm_of(wanted.statements)
        if rhythm not in RHYTHMS:
            raise UserError(f"There is no rhythm {rhythm!r}: there are {', '.join(RHYTHMS)}.")
        (statement,) = self.morphology.statement_of([wanted.statements])
        rate = wanted.heart_rate
        if rate is None:
            rate = self._usual_rate(statement, wanted.statements)
        if not RATES[0] <= rate <= RATES[1]:
            raise UserError(f"A heart rate of {rate:g} bpm cannot be simulated: give {RATES[0]:g} to {RATES[1]:g}.")
        own = self.morphology.at_rates([wanted.statements], torch.tensor([rate]))
        ectopic = self.morphology.ventricular().at_rate(torch.tensor([[rate]]), self.morphology.common)
        signals = np.empty((records, len(LEADS), SAMPLES), np.int16)
        courses: list[Course] = []
        for start in range(0, records, BATCH):
            indices = range(start, min(start + BATCH, records))
            generators = [np.random.default_rng(seed_of("simulator", seed, index)) for index in indices]
            drawn = [sample_course(self.rhythms.draw(rhythm, rate, rng), rate, rng) for rng in generators]
            forms = torch.tensor([int(rng.integers(len(ectopic.theta))) for rng in generators])
            normal = Waves(*(values.expand(len(drawn), -1, -1) for values in own))
            x = simulate(normal, ectopic.rows(forms), drawn, torch.full((len(drawn),), rate)).numpy()
            _add_atria(x, rhythm, drawn, generators)
            signals[start : start + len(drawn)] = twelve_leads(to_microvolts(x))
            courses += drawn
        return Simulated(signals, courses, rate, rhythm, statement)

    def _usual_rate(self, statement: str, wanted: Sequence[str]) -> float:
        """The rate at which a statement's beat was fitted, where it is the statement's own."""
        index = self.morphology.statements.index(statement)
        if wanted and self.morphology.sources[index] != OWN:
            raise UserError(f"Too few training records have {', '.join(wanted)} to tell a rate: give --heart-rate.")
        return self.morphology.rates[index]


def write_simulation(folder: Path, vocabulary: Vocabulary, wanted: Wanted, records: int, seed: int, out: Path) -> str:
    """Write `shard-000.parquet` and `manifest.json` into `out`, and say what was made.

    Raises:
        UserError: the simulator has not run, there is no such statement, rhythm or rate, or `out` cannot be written.
    """
    for code in wanted.statements:
        vocabulary[code]
    made = Simulator.load(folder).simulate(wanted, records, seed)
    model = sha256_json([sha256_file(folder / name) for name in FILES])
    request = {"statements": list(wanted.statements), "heart_rate": made.heart_rate, "rhythm": made.rhythm}
    try:
        write_table(_table(made, wanted.statements, seed, model), out / "shard-000.parquet")
        write_json(
            out / "manifest.json", {"schema_version": 1, **request, "records": records, "seed": seed, "model": model}
        )
    except OSError as error:
        raise UserError(f"{out} cannot be written to ({error.strerror}): give another --out.") from None
    means = [_mean_rate(course) for course in made.courses]
    return (
        f"{records} records in {out}: {made.rhythm}, morphology of {made.statement}, "
        f"mean rate {np.mean(means):.1f} bpm (deviation {np.std(means):.1f})"
    )


def _add_atria(
    x: NDArray[np.float32], rhythm: str, courses: Sequence[Course], generators: Sequence[np.random.Generator]
) -> None:
    """Add f waves or saw teeth to records (n, 8, 1000) in mV, where the rhythm has them."""
    for record, (course, rng) in enumerate(zip(courses, generators, strict=True)):
        if rhythm == FIBRILLATION:
            x[record] += fibrillation(TIME, rng)
        elif rhythm == FLUTTER:
            x[record] += flutter(TIME, course.flutter, rng)


def _inside(course: Course) -> NDArray[np.float64]:
    return course.r_peaks[(course.r_peaks >= 0) & (course.r_peaks < DURATION)]


def _mean_rate(course: Course) -> float:
    """60 (n − 1) / (t_n − t_1) over the R peaks inside, bpm; NaN with fewer than two."""
    peaks = _inside(course)
    return 60 * (len(peaks) - 1) / (peaks[-1] - peaks[0]) if len(peaks) > 1 else float("nan")


def _table(made: Simulated, statements: Sequence[str], seed: int, model: str) -> pa.Table:
    """A row for each record, with its truth: R peaks in s inside the window, and what beats they are."""
    count = len(made.courses)
    kinds = [c.kinds[(c.r_peaks >= 0) & (c.r_peaks < DURATION)].tolist() for c in made.courses]
    columns = {
        "record_id": [f"simulated/{seed}/{index:06d}" for index in range(count)],
        "seed": pa.array([seed] * count, pa.int64()),
        "index": pa.array(range(count), pa.int64()),
        "statements": pa.array([list(statements)] * count, pa.list_(pa.string())),
        "heart_rate": pa.array([made.heart_rate] * count, pa.float32()),
        "rhythm": [made.rhythm] * count,
        "simulator_statement": [made.statement] * count,
        "r_peaks": pa.array([_inside(course).tolist() for course in made.courses], pa.list_(pa.float32())),
        "beat_kinds": pa.array(kinds, pa.list_(pa.string())),
        "model": [model] * count,
        SIGNAL.name: signal_column(made.signals),
    }
    return pa.table(columns)
