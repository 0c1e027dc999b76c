"""What every section of the evaluation measures on: three aligned sets of records, the judges, and what they read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sediff.autoencoder.model import Autoencoder
from sediff.ecg import independent_leads, to_microvolts, twelve_leads
from sediff.encoder.judge import BATCH
from sediff.encoder.patients import Training
from sediff.evaluation.compared import Judges, Matched, Records
from sediff.evaluation.diversity import one_alike
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC
from sediff.evaluation.params import EvaluationParams
from sediff.evaluation.prior import simulated
from sediff.evaluation.readings import Readings
from sediff.evaluation.strata import strata_of
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals
from sediff.vocabulary import Vocabulary

MIN_CASES = 10  # of a rhythm, or of a statement in an ablation: there are few records


@dataclass(frozen=True)
class Evidence:
    """Everything the sections read.

    Attributes:
        made: all synthetic records; read_made: what is read in them.
        conditions: the real records whose conditions they have.
        sets: "synthetic" (the first record made of each condition), "reconstructed" (the condition's real record,
            encoded and decoded) and "real", rows aligned; read: what is read in each.
        simulated: the simulator alone, of each condition, rows aligned with the sets; read_simulated: what is read.
        statements, strata, patients: of each row of the sets.
        alike: by row of the sets, a real record (12, 1000) of another patient that matches its condition, if any.
        held_out: human-validated held-out records, the floor; none where the real ones are too few to compare.
        held_out_copies: judge (a)'s features of their reconstructions.
        training: signals of training records, (m, 8, 1000), int16 µV; training_ids: of each.
        held_out_patients: of the test split; seen_patients: those that the judges know, None where it cannot be told.
    """

    params: EvaluationParams
    seed: int
    judges: Judges
    vocabulary: Vocabulary
    made: Records
    read_made: Readings
    conditions: Matched
    sets: dict[str, Records]
    read: dict[str, Readings]
    simulated: Records
    read_simulated: Readings
    statements: list[list[str]]
    strata: NDArray[np.str_]
    patients: NDArray[np.str_]
    alike: dict[int, NDArray[np.int16]]
    held_out: Records | None
    held_out_copies: NDArray[np.float64] | None
    training: NDArray[np.int16]
    training_ids: NDArray[np.str_]
    held_out_patients: int
    seen_patients: int | None

    @classmethod
    def load(
        cls,
        params: EvaluationParams,
        corpus: Path,
        synthetic: Path,
        judges_folder: Path,
        autoencoder: Path,
        simulator: Path,
        vocabulary: Vocabulary,
        seed: int,
        pseudonyms: Pseudonyms,
    ) -> "Evidence":
        """Read and measure all records.

        Raises:
            UserError: the synthetic records belong to another corpus, or the simulator has not run.
        """
        judges, network = Judges.load(judges_folder), Autoencoder.load(autoencoder)
        made = Records.of(read_columns(synthetic / "records"), read_signals(synthetic / "records"), judges)
        columns, stored = pseudonyms.rows(read_columns(corpus / "records")), read_signals(corpus / "records")
        conditions = Matched.of(made.rows, columns)
        real = Records.of(columns[conditions.corpus_rows], stored[conditions.corpus_rows], judges)
        copies = twelve_leads(to_microvolts(reconstructed(network, real.leads)))
        sets = {
            SYNTHETIC: made.only(conditions.first),
            RECONSTRUCTED: Records.of(real.rows, copies, judges),
            REAL: real,
        }
        read_made = Readings.of(made.signals)
        asked = sets[SYNTHETIC].rows
        alone = Records.of(asked, simulated(simulator, asked, seed), judges)
        statements = asked["statements"].to_list()
        place = {int(row): number for number, row in enumerate(conditions.corpus_rows)}
        alike = one_alike(columns, conditions.corpus_rows, np.random.default_rng([seed, 143]))
        held_out = held_out_copies = None
        if len(real.rows) >= params.min_records:
            floor = floor_rows(columns, params.min_records)
            held_out = Records.of(columns.filter(pl.Series(floor)), stored[floor], judges)
            held_out_copies = judges.statement.features(reconstructed(network, held_out.leads))
        train = np.flatnonzero((columns["split"] == "train").to_numpy())
        test_patients = columns.filter(pl.col("split") == "test")["patient_id"].unique()
        return cls(
            params,
            seed,
            judges,
            vocabulary,
            made,
            read_made,
            conditions,
            sets,
            {
                SYNTHETIC: read_made.only(conditions.first),
                RECONSTRUCTED: Readings.of(copies),
                REAL: Readings.of(real.signals),
            },
            alone,
            Readings.of(alone.signals),
            statements,
            strata_of(statements),
            real.rows["patient_id"].to_numpy(),
            {place[row]: stored[other] for row, other in sorted(alike.items())},
            held_out,
            held_out_copies,
            independent_leads(stored[train]),
            columns["record_id"].to_numpy()[train],
            len(test_patients),
            Training.read(judges_folder).seen(test_patients, pseudonyms),
        )

    def rng(self, number: int) -> np.random.Generator:
        """A source of random numbers of the evaluation's seed; each use has a number of its own."""
        return np.random.default_rng([self.seed, number])

    def values(self, name: str) -> dict[str, NDArray[np.float64]]:
        """One of the readings in each set."""
        return {of_set: getattr(read, name) for of_set, read in self.read.items()}


@torch.no_grad()
def reconstructed(network: Autoencoder, leads: NDArray[np.float32]) -> NDArray[np.float32]:
    """Signals (n, 8, 1000) in mV after encoding and decoding."""
    parts = [network.decode(network.encode(part)) for part in torch.from_numpy(leads).split(BATCH)]
    return np.asarray(torch.cat(parts).numpy())


def floor_rows(columns: pl.DataFrame, min_records: int) -> NDArray[np.bool_]:
    """Held-out records that people have validated; all held-out ones where too few are."""
    held_out = (columns["split"] == "test").to_numpy()
    validated = held_out & columns["human_validated"].fill_null(False).to_numpy()
    return validated if validated.sum() >= min_records else held_out
