"""The virtual cohort itself: its patients' stays and recordings, and what is true of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.cohort.conditions import CONDITIONS, Condition
from sediff.cohort.ehr import Ehr, draw_comorbidities
from sediff.cohort.params import CohortParams
from sediff.cohort.signals import Truth, draw_patient, draw_recording
from sediff.progress import track

FOLDS = 10
RECORDINGS = (0.82, 0.13, 0.05)  # shares of patients with one, two and three
GERMAN_SHARE, AXIS_SHARE = 0.3, 0.5  # of the reports are in German, name the axis
START, DAYS = datetime(2013, 3, 1), 3000
HEIGHTS = {"male": (176, 7), "female": (163, 6.5)}  # cm
# PTB-XL's names of the frontal axis, from which angle on in degrees, and how a report says it.
AXES = (
    (-180, "AXR", "extreme axis deviation", "überdrehter typ"),
    (-90, "ALAD", "marked left axis deviation", "überdrehter linkstyp"),
    (-30, "LAD", "left axis deviation", "linkstyp"),
    (30, "MID", "normal axis", "indifferenztyp"),
    (90, "RAD", "right axis deviation", "rechtstyp"),
    (120, "ARAD", "marked right axis deviation", "überdrehter rechtstyp"),
)
INFARCTION_STADIUM = "Stadium III"


@dataclass(frozen=True)
class Recording:
    """A recording: its row of PTB-XL's table, what is true of it, and its signal, int16 (12, 1000) in µV."""

    row: dict[str, Any]
    truth: dict[str, Any]
    signal: NDArray[np.int16]


def simulate(params: CohortParams, ehr: Ehr) -> Iterator[Recording]:
    """Every recording in order, while `ehr` fills; the same parameters give the same ones."""
    order = np.random.default_rng([params.seed, 1]).permutation(params.patients)
    names = list(CONDITIONS)
    limits = np.cumsum([CONDITIONS[name].share for name in names])
    count = 0
    for patient_id in track(range(1, params.patients + 1), params.patients, "virtual cohort: patients"):
        rng = np.random.default_rng([params.seed, 2, patient_id])
        # Conditions are dealt by rank, so that each has its share in a small cohort too.
        rank = (order[patient_id - 1] + 0.5) / params.patients * limits[-1]
        name = names[int(np.searchsorted(limits, rank))]
        for recording in _recordings(patient_id, name, rng, count + 1, ehr):
            count += 1
            yield recording


def truth_table(truths: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """What is true of recordings: `ecg_id`, the name of the `condition`, and what `Truth` has."""
    return pl.DataFrame(list(truths), infer_schema_length=None)


def true_values(params: CohortParams) -> pl.DataFrame:
    """The truth of every recording, simulated again."""
    return truth_table(recording.truth for recording in simulate(params, Ehr()))


def _recordings(
    patient_id: int,
    name: str,
    rng: np.random.Generator,
    first_id: int,
    ehr: Ehr,
) -> Iterator[Recording]:
    """One patient's recordings, numbered from `first_id`: a stay and a recording within it for each visit."""
    condition = CONDITIONS[name]
    sex = "female" if rng.random() < 0.48 else "male"
    age = float(np.clip(round(rng.normal(*condition.ages)), 18, 86))
    patient = draw_patient(condition, sex, age, rng)
    height = rng.normal(*HEIGHTS[sex])
    body = {
        "sex": int(sex == "female"),
        "height": round(height),
        "weight": round(rng.normal(26, 3.5) * height**2 / 1e4),
    }
    histories = [condition.history, *draw_comorbidities(age, rng)]
    first = admitted = START + timedelta(days=int(rng.integers(0, DAYS)), hours=int(rng.integers(0, 24)))
    ehr.add_patient(patient_id, sex, age, admitted)
    for visit in range(1 + int(rng.choice(len(RECORDINGS), p=RECORDINGS))):
        admitted += timedelta(days=int(rng.integers(30, 400))) if visit else timedelta()
        discharged = admitted + timedelta(hours=int(rng.integers(20, 200)))
        ehr.add_admission(patient_id, visit, histories, (admitted, discharged), rng)
        signal, truth = draw_recording(condition, patient, rng)
        ecg_id = first_id + visit
        path = f"records100/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_lr"
        recorded = admitted + timedelta(minutes=int(rng.integers(20, 900)))
        row = {
            "ecg_id": ecg_id,
            "patient_id": float(patient_id),
            "age": age + (admitted - first).days // 365,
            **body,
            "recording_date": recorded.isoformat(sep=" "),
            "strat_fold": 1 + patient_id % FOLDS,
            "filename_lr": path,
            **_findings(condition, truth, rng),
        }
        yield Recording(row, {"ecg_id": ecg_id, "condition": name, **vars(truth)}, signal)


def _findings(condition: Condition, truth: Truth, rng: np.random.Generator) -> dict[str, Any]:
    """What was read from the recording: the report and the columns of PTB-XL's table that say the same."""
    _, axis, english, german = [entry for entry in AXES if truth.axis >= entry[0]][-1]
    infarction = any(code.endswith("MI") for code in condition.statements)
    phrases, axis_phrase = (condition.german, german) if rng.random() < GERMAN_SHARE else (condition.english, english)
    report = phrases[rng.integers(len(phrases))]
    if rng.random() < AXIS_SHARE:
        report += f" {axis_phrase}."
    return {
        "report": report,
        "scp_codes": str({code: float(likelihood) for code, likelihood in condition.statements.items()}),
        "heart_axis": axis,
        "infarction_stadium1": INFARCTION_STADIUM if infarction else "",
        "second_opinion": False,
        "initial_autogenerated_report": False,
        "validated_by_human": True,
        "electrodes_problems": truth.disturbed_lead,
        "extra_beats": f"{sum(truth.ectopic)}ES" if any(truth.ectopic) else "",
    }
