from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sediff.files import sha256_file
from sediff.knowledge.measures import SCALARS, VOLTAGES
from sediff.knowledge.profiles import FITS
from sediff.sources import Source
from sediff.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]
SPLITS = {0: "test", 1: "validation"}
KINDS = (
    (["NORM", "SR"], 70.0, 25.0, 1.5),
    (["AFIB", "LVH"], 110.0, 150.0, 2.5),
    (["CLBBB", "SR", "STD_"], 80.0, 20.0, 2.0),
    (["IMI", "QWAVE", "SR"], 60.0, 15.0, 1.0),
)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary.load(ROOT / "knowledge/statements.yaml")


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)  # knowledge/ is read from there


@pytest.fixture
def records() -> pl.DataFrame:
    """80 records of 40 patients, of four kinds that differ in statements, rate and voltage."""
    rows = []
    for number in range(80):
        patient = number // 2 + 1
        codes, rate, rmssd, volt = KINDS[patient % 4]
        rows.append(
            {
                "record_id": f"cohort/{number + 1:05d}",
                "patient_id": f"cohort/{patient:05d}",
                "source": "cohort",
                "recorded_at": f"2020-01-{patient % 28 + 1:02d}T12:00:00",
                "split": SPLITS.get(patient // 4 % 5, "train"),
                "age": None if number == 5 else 40.0 + patient,
                "sex": ("male", "female", None)[patient % 3],
                "statements": codes,
                "heart_rate": None if number == 7 else rate + number % 5,
                "rmssd": rmssd,
                **dict.fromkeys(("pr", "axis"), None if "AFIB" in codes else 160.0 + number % 7),
                "qrs_duration": 140.0 if "CLBBB" in codes else 90.0,
                "qt": 380.0,
                "qtcf": 400.0,
                **{name: [volt] * len(leads) for name, leads in VOLTAGES.items()},
            }
        )
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(("age", *SCALARS), pl.Float32))


@pytest.fixture
def corpus(records, tmp_path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "records").mkdir(parents=True)
    records.write_parquet(folder / "records" / "shard-000.parquet")
    return folder


@pytest.fixture
def simulator(records, tmp_path) -> Path:
    """Fits of the training records of all kinds but the last, in which nothing could be fitted."""
    folder = tmp_path / "simulator"
    folder.mkdir()
    fitted = records.filter(pl.col("split") == "train", ~pl.col("statements").list.contains("IMI"))
    numbers = fitted["heart_rate"].fill_null(70).to_numpy()
    fits = {name: np.repeat(numbers[:, None] / 100, 40, axis=1) for name in ("theta", "a", "b")}
    pl.DataFrame({"record_id": fitted["record_id"], **fits}).cast(FITS).write_parquet(folder / "records.parquet")
    return folder


def inventory(source: Source) -> Source:
    """Write the source's inventory as it is now."""
    files = [path for path in sorted(source.root.rglob("*")) if path.is_file()]
    rows = {
        "path": [str(path.relative_to(source.root)) for path in files],
        "size": [path.stat().st_size for path in files],
        "sha256": [sha256_file(path) for path in files],
    }
    schema = {"path": pl.String, "size": pl.Int64, "sha256": pl.String}
    pl.DataFrame(rows, schema=schema).write_parquet(source.inventory)
    return source


@pytest.fixture
def source(tmp_path) -> Source:
    """A source with an EHR: one admission a patient; those of kind 1 (atrial fibrillation) are on digoxin."""
    hosp = tmp_path / "raw" / "hosp"
    hosp.mkdir(parents=True)
    patients = range(1, 41)
    (hosp / "admissions.csv").write_text(
        "subject_id,hadm_id,admittime,dischtime\n"
        + "".join(
            f"{p},{900 + p},2020-01-{p % 28 + 1:02d} 06:00:00,2020-01-{p % 28 + 1:02d} 18:00:00\n" for p in patients
        )
    )
    (hosp / "diagnoses_icd.csv").write_text(
        "subject_id,hadm_id,icd_code,icd_version\n"
        + "".join(f"{p},{900 + p},{'I480,10' if p % 4 == 1 else '4019,9'}\n" for p in patients)
    )
    (hosp / "prescriptions.csv").write_text(
        "subject_id,hadm_id,drug\n"
        + "".join(f"{p},{900 + p},{'Lanoxin 0.25 mg Tablet' if p % 4 == 1 else 'Aspirin EC'}\n" for p in patients)
    )
    (hosp / "procedures_icd.csv").write_text(
        "subject_id,hadm_id,icd_code,icd_version\n" + "".join(f"{p},{900 + p},4A023N7,10\n" for p in patients)
    )
    return inventory(Source("cohort", "ptb-xl", "open", tmp_path / "raw", tmp_path / "cohort.parquet"))
