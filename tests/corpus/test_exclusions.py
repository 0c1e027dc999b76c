"""Who was withdrawn is in no record, no quarantine and no inventory, whether a table lists them or their own header."""

import shutil

import polars as pl
import pytest

from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.exclusions import KEY, PATIENT, RAW_FILE, RECORD, add_exclusions, read_exclusions
from sediff.processes import in_processes
from sediff.records import read_columns
from sediff.sources import Source, scan
from tests.corpus.raw import ecg, write_wfdb


@pytest.fixture
def built(tmp_path, vocabulary):
    """Scan a folder and build its corpus without those who were withdrawn in tmp_path."""

    def built(raw, reader: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, str]:
        exclusions = read_exclusions(tmp_path)
        source = Source("own", reader, "open", raw, tmp_path / "data/sources/own.parquet")
        scan(source, tmp_path / "scan.sqlite", leaves_out=lambda name: exclusions.has(RAW_FILE, name))
        folders = [tmp_path / name for name in ("out", "report", "work", "cache")]
        for folder in folders[:2]:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        (folders[1] / "plots").mkdir()
        params = CorpusParams(sources=({"name": "own", "reader": reader},), shards=2)
        told = build_corpus(params, [source], vocabulary, Folders(*folders), in_processes(1), exclusions)
        aside = pl.read_parquet(folders[0] / "quarantine.parquet")
        return read_columns(folders[0] / "records"), aside, pl.read_parquet(source.inventory), told

    return built


def test_a_record_of_a_folder_and_its_unreadable_neighbour(built, tmp_path):
    raw = tmp_path / "raw"
    for number in range(4):
        write_wfdb(raw / str(number), ecg(500, 14, seed=number), rate=400 + 30 * number)  # hearts of other rates
    (raw / "3.dat").unlink()
    records, aside, inventory, _ = built(raw, "wfdb")
    assert (len(records), len(aside), len(inventory)) == (3, 1, 7)
    files = [(RAW_FILE, f"own/{number}{suffix}") for number in "13" for suffix in (".hea", ".dat")]
    own, new = add_exclusions(tmp_path, [(RECORD, "own/1"), (RECORD, "own/3"), *files])
    assert new
    assert len(own.hashes) == 6
    records, aside, inventory, told = built(raw, "wfdb")
    assert sorted(records["record_id"]) == ["own/0", "own/2"]
    assert (len(aside), "2 withdrawn" in told) == (0, True)
    assert sorted(inventory["path"]) == ["0.dat", "0.hea", "2.dat", "2.hea"]
    assert b"own/1" not in (tmp_path / "scan.sqlite").read_bytes()
    (tmp_path / KEY).write_text("0" * 64)
    with pytest.raises(Exception, match="is another key"):
        read_exclusions(tmp_path)


def test_all_records_of_a_patient_of_a_table(built, tmp_path, cohort):
    before, _, _, _ = built(cohort, "ptb-xl")
    patient = before["patient_id"].value_counts(sort=True)["patient_id"][0]
    add_exclusions(tmp_path, [(PATIENT, patient)])
    after, aside, _, told = built(cohort, "ptb-xl")
    gone = before.filter(pl.col("patient_id") == patient)
    assert after.equals(before.filter(pl.col("patient_id") != patient))
    assert f"{len(gone)} withdrawn" in told
    assert not set(aside["record_id"]) & set(gone["record_id"])
