"""Writing the virtual cohort: WFDB records, PTB-XL's tables, MIMIC-IV's `hosp/` tables and the truth."""

import csv
import gzip
import io
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.cohort.conditions import CONDITIONS, HYPERTENSION, Condition, History
from sediff.cohort.params import CohortParams
from sediff.cohort.signals import draw_patient, draw_recording
from sediff.ecg import LEADS, SAMPLES, SAMPLING_RATE
from sediff.progress import track
from sediff.vocabulary import Vocabulary

FOLDS = 10
RECORDINGS = (0.82, 0.13, 0.05)  # shares of patients with one, two and three
GERMAN_SHARE = 0.3
START = datetime(2010, 1, 1)
# What anyone may have besides the condition that the ECG shows.
COMMON = (HYPERTENSION, History(("E785",), ("2724",), ("Simvastatin",)), History(("E119",), ("25000",), ("Metformin",)))
ROUTINE_DRUGS = ("Acetaminophen", "Sodium Chloride 0.9%  Flush", "Heparin", "Docusate Sodium", "Senna")
RECORD_COLUMNS = (
    "ecg_id", "patient_id", "age", "sex", "height", "weight", "recording_date", "report", "scp_codes", "heart_axis",
    "infarction_stadium1", "infarction_stadium2", "validated_by_human", "strat_fold", "filename_lr",
)  # fmt: skip


def write_cohort(params: CohortParams, root: Path, vocabulary: Vocabulary) -> str:
    """Write the cohort to `root`, whole or not at all; the same parameters give the same bytes."""
    building = root.with_name(f"{root.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    (building / "hosp").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    truths: list[dict[str, Any]] = []
    ehr: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("patients", "admissions", "diagnoses_icd", "prescriptions", "procedures_icd")
    }
    order = np.random.default_rng([params.seed, 1]).permutation(params.patients)
    names = list(CONDITIONS)
    limits = np.cumsum([CONDITIONS[name].share for name in names])
    for patient_id in track(range(1, params.patients + 1), params.patients, "virtual cohort: patients"):
        rng = np.random.default_rng([params.seed, 2, patient_id])
        # Conditions are dealt by rank, so that each has its share in a small cohort too.
        rank = (order[patient_id - 1] + 0.5) / params.patients * limits[-1]
        condition = CONDITIONS[names[int(np.searchsorted(limits, rank))]]
        _add_patient(patient_id, condition, rng, building, rows, truths, ehr)
    _write_csv(building / "ptbxl_database.csv", rows, RECORD_COLUMNS)
    _write_csv(building / "scp_statements.csv", _statements(vocabulary))
    for name, table in ehr.items():
        _write_csv(building / "hosp" / f"{name}.csv.gz", table)
    pl.DataFrame(truths).write_parquet(building / "truth.parquet")
    shutil.rmtree(root, ignore_errors=True)
    building.rename(root)
    return f"virtual cohort of {len(rows)} recordings of {params.patients} simulated patients"


def _add_patient(
    patient_id: int,
    condition: Condition,
    rng: np.random.Generator,
    root: Path,
    rows: list[dict[str, Any]],
    truths: list[dict[str, Any]],
    ehr: dict[str, list[dict[str, Any]]],
) -> None:
    sex = "female" if rng.random() < 0.48 else "male"
    age = float(np.clip(round(rng.normal(*condition.ages)), 18, 89))
    patient = draw_patient(condition, sex, age, rng)
    admitted = START + timedelta(days=int(rng.integers(0, 3000)), hours=int(rng.integers(0, 24)))
    ehr["patients"].append(
        {"subject_id": patient_id, "gender": "F" if sex == "female" else "M", "anchor_age": int(age),
         "anchor_year": admitted.year, "anchor_year_group": "2011 - 2013", "dod": ""}
    )  # fmt: skip
    for visit in range(1 + int(rng.choice(len(RECORDINGS), p=RECORDINGS))):
        admitted += timedelta(days=int(rng.integers(30, 400))) if visit else timedelta()
        discharged = admitted + timedelta(hours=int(rng.integers(20, 200)))
        _add_admission(patient_id, visit, condition, admitted, discharged, rng, ehr)
        signal, truth = draw_recording(condition, patient, rng)
        ecg_id = len(rows) + 1
        name = f"records100/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_lr"
        write_record(root / name, signal)
        rows.append(_row(ecg_id, patient_id, age, sex, condition, admitted, name, rng))
        truths.append({"ecg_id": ecg_id, **vars(truth)})


def _row(
    ecg_id: int, patient_id: int, age: float, sex: str, condition: Condition, admitted: datetime, name: str,
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    infarction = any(code.endswith("MI") for code in condition.statements)
    recorded = admitted + timedelta(minutes=int(rng.integers(20, 900)))
    return {
        "ecg_id": ecg_id,
        "patient_id": float(patient_id),
        "age": age,
        "sex": int(sex == "female"),
        "recording_date": recorded.isoformat(sep=" "),
        "report": condition.german if rng.random() < GERMAN_SHARE else condition.english,
        "scp_codes": str({code: float(likelihood) for code, likelihood in condition.statements.items()}),
        "infarction_stadium1": "Stadium III" if infarction else "",
        "validated_by_human": True,
        "strat_fold": 1 + patient_id % FOLDS,
        "filename_lr": name,
    }


def _add_admission(
    patient_id: int,
    visit: int,
    condition: Condition,
    admitted: datetime,
    discharged: datetime,
    rng: np.random.Generator,
    ehr: dict[str, list[dict[str, Any]]],
) -> None:
    """One stay: most of the condition's history, some of what is common, coded in ICD-10 or ICD-9."""
    key = {"subject_id": patient_id, "hadm_id": 20_000_000 + 10 * patient_id + visit}
    times = {"admittime": admitted.isoformat(sep=" "), "dischtime": discharged.isoformat(sep=" ")}
    ehr["admissions"].append({**key, **times, "admission_type": "EW EMER.", "hospital_expire_flag": 0})
    histories = [condition.history, *(history for history in COMMON if rng.random() < 0.25)]
    version = 10 if rng.random() < 0.7 else 9
    codes = [c for h in histories for c in _some(h.icd10 if version == 10 else h.icd9, 0.85, rng)]
    for number, code in enumerate(dict.fromkeys(codes), start=1):
        ehr["diagnoses_icd"].append({**key, "seq_num": number, "icd_code": code, "icd_version": version})
    drugs = [d for h in histories for d in _some(h.drugs, 0.75, rng)] + _some(ROUTINE_DRUGS, 0.3, rng)
    for drug in dict.fromkeys(drugs):
        ehr["prescriptions"].append({**key, "starttime": times["admittime"], "drug": drug, "route": "PO/NG"})
    for number, code in enumerate(_some(condition.history.procedures, 0.5, rng), start=1):
        day = times["admittime"][:10]
        ehr["procedures_icd"].append({**key, "seq_num": number, "chartdate": day, "icd_code": code, "icd_version": 10})


def _some(items: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    return [item for item in items if rng.random() < share]


def write_record(path: Path, signal: NDArray[np.int16]) -> None:
    """Write one WFDB record in format 16 as PTB-XL has them: 1000 units a mV; signal (12, 1000) in µV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{path.name} {len(LEADS)} {SAMPLING_RATE} {SAMPLES}"]
    for lead, samples in zip(LEADS, signal, strict=True):
        checksum = int(samples.astype(np.int64).sum()) % 65536
        lines.append(f"{path.name}.dat 16 1000.0(0)/mV 16 0 {samples[0]} {checksum} 0 {lead.upper()}")
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    path.with_suffix(".dat").write_bytes(signal.T.astype("<i2").tobytes())


def _statements(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """PTB-XL's table of statements, written from the project's own vocabulary."""
    return [
        {
            "": code,
            "description": vocabulary[code].name,
            **{kind: "1.0" if kind in vocabulary[code].kinds else "" for kind in ("diagnostic", "form", "rhythm")},
            "diagnostic_class": vocabulary[code].superclass or "",
        }
        for code in vocabulary.codes
    ]


def _write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str] | None = None) -> None:
    """CSV, compressed without a time stamp where the name ends in .gz."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]) if rows else ["subject_id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
