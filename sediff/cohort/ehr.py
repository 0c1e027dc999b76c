"""The virtual cohort's EHR: MIMIC-IV's `hosp/` tables, filled as far as they are read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from sediff.cohort.history import COMORBIDITIES, COMPLAINTS, ROUTINE_DRUGS, History

Item = TypeVar("Item")
Rows = list[dict[str, Any]]

COLUMNS = {
    "patients": ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod"),
    "admissions": (
        "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "admit_provider_id",
        "admission_location", "discharge_location", "insurance", "language", "marital_status", "race", "edregtime",
        "edouttime", "hospital_expire_flag",
    ),
    "diagnoses_icd": ("subject_id", "hadm_id", "seq_num", "icd_code", "icd_version"),
    "prescriptions": (
        "subject_id", "hadm_id", "pharmacy_id", "poe_id", "poe_seq", "order_provider_id", "starttime", "stoptime",
        "drug_type", "drug", "formulary_drug_cd", "gsn", "ndc", "prod_strength", "form_rx", "dose_val_rx",
        "dose_unit_rx", "form_val_disp", "form_unit_disp", "doses_per_24_hrs", "route",
    ),
    "procedures_icd": ("subject_id", "hadm_id", "seq_num", "chartdate", "icd_code", "icd_version"),
}  # fmt: skip
CODED, PRESCRIBED, DONE = 0.85, 0.7, 0.5  # how much of a history reaches the tables of one stay
COMPLAINT, ROUTINE = 0.45, 0.3
ICD10_SINCE = datetime(2015, 10, 1)  # in the United States, whose hospital MIMIC-IV describes


class Ehr:
    """Rows of the five tables, in the order in which they were added."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {name: [] for name in COLUMNS}

    def add_patient(self, patient_id: int, sex: str, age: float, first_admitted: datetime) -> None:
        """Add a patient, who is `age` years old at the first admission."""
        start = first_admitted.year - (first_admitted.year - 2008) % 3
        self.tables["patients"].append(
            {
                "subject_id": patient_id,
                "gender": "F" if sex == "female" else "M",
                "anchor_age": int(age),
                "anchor_year": first_admitted.year,
                "anchor_year_group": f"{start} - {start + 2}",
            }
        )

    def add_admission(
        self,
        patient_id: int,
        visit: int,
        histories: Sequence[History],
        stay: tuple[datetime, datetime],
        rng: np.random.Generator,
    ) -> None:
        """Add a stay (admitted, discharged): most of the histories, now and then a complaint beside them."""
        key = {"subject_id": patient_id, "hadm_id": 20_000_000 + 10 * patient_id + visit}
        admitted, discharged = (time.isoformat(sep=" ") for time in stay)
        self.tables["admissions"].append(
            {
                **key,
                "admittime": admitted,
                "dischtime": discharged,
                "admission_type": "EW EMER.",
                "hospital_expire_flag": 0,
            }
        )
        histories = list(histories)
        if rng.random() < COMPLAINT:
            histories.append(COMPLAINTS[rng.integers(len(COMPLAINTS))])
        coding, version = (0, 10) if stay[0] >= ICD10_SINCE else (1, 9)
        codes = [pair[coding] for history in histories for pair in _some(history.diagnoses, CODED, rng)]
        drugs = [drug for history in histories for drug in _some(history.drugs, PRESCRIBED, rng)]
        procedures = [pair[coding] for history in histories for pair in _some(history.procedures, DONE, rng)]
        for number, code in enumerate(dict.fromkeys(codes), start=1):
            self.tables["diagnoses_icd"].append({**key, "seq_num": number, "icd_code": code, "icd_version": version})
        for drug in dict.fromkeys(drugs + _some(ROUTINE_DRUGS, ROUTINE, rng)):
            self.tables["prescriptions"].append(
                {**key, "starttime": admitted, "stoptime": discharged, "drug_type": "MAIN", "drug": drug}
            )
        for number, code in enumerate(dict.fromkeys(procedures), start=1):
            self.tables["procedures_icd"].append(
                {**key, "seq_num": number, "chartdate": admitted[:10], "icd_code": code, "icd_version": version}
            )


def draw_comorbidities(age: float, rng: np.random.Generator) -> list[History]:
    """The chronic illnesses of one patient, who keeps them through all stays."""
    return [illness.history for illness in COMORBIDITIES if rng.random() < illness.share(age)]


def _some(items: Sequence[Item], share: float, rng: np.random.Generator) -> list[Item]:
    return [item for item in items if rng.random() < share]
