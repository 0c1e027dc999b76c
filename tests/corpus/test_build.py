import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import wfdb

from sediff.corpus.listing import patient_hash
from sediff.corpus.params import FoldParams
from sediff.ecg import LEADS
from sediff.errors import UserError
from sediff.processes import in_processes
from sediff.records import ROWS_PER_GROUP, read_columns, read_signals
from tests.corpus.building import build, reasons, rewrite, signal_of

ROOT = Path(__file__).parents[2]
# A build whose process kills itself after the first shard, unless somebody else kills it within.
KILLED = """
import os, signal
from pathlib import Path, PosixPath
from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.sources import Source
from sediff.vocabulary import Vocabulary

def runner(function, shards):
    function(shards[0])
    os.kill(os.getpid(), signal.SIGKILL)

folder = Path({folder!r})
params = CorpusParams(sources=({{"name": "virtual", "reader": "ptb-xl"}},), shards={shards})
vocabulary = Vocabulary.load(Path("knowledge/statements.yaml"))
folders = [folder / name for name in ("out", "report", "work", "cache")]
build_corpus(params, [{source!r}], vocabulary, Folders(*folders), runner)
"""


def start(source, folder: Path, shards: int) -> subprocess.Popen:
    script = folder.with_suffix(".py")
    script.write_text(KILLED.format(source=source, folder=str(folder), shards=shards))
    return subprocess.Popen([sys.executable, script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def read_again(folder: Path) -> int:
    """How many recordings the last build said that it read."""
    return int(re.search(r"(\d+) read", (folder / "told").read_text()).group(1))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_every_record_is_read_as_it_was_written(cohort, scanned, vocabulary, tmp_path):
    out = build(scanned(cohort), vocabulary, tmp_path)
    rows, signals = read_columns(out / "records"), read_signals(out / "records")
    table = pl.read_csv(cohort / "ptbxl_database.csv")
    assert len(rows) == len(signals) == len(table)
    truth = dict(zip(*pl.read_parquet(cohort / "truth.parquet")["ecg_id", "heart_rate"], strict=True))
    wanted = np.array([truth[int(record_id.split("/")[1])] for record_id in rows["record_id"]])
    assert np.abs(rows["heart_rate"].to_numpy() - wanted).mean() < 2.0
    first = rows["record_id"][0].split("/")[1]
    name = table.filter(pl.col("ecg_id") == int(first))["filename_lr"][0]
    raw = np.fromfile(cohort / f"{name}.dat", "<i2").reshape(1000, 12).T
    assert (signals[0] == raw).all()


def test_splits_share_no_patient(cohort, scanned, vocabulary, tmp_path):
    rows = read_columns(build(scanned(cohort), vocabulary, tmp_path) / "records")
    by_split = rows.group_by("split").agg(pl.col("patient_id").unique())["patient_id"].to_list()
    assert len(by_split) == 4
    assert sum(map(len, by_split)) == rows["patient_id"].n_unique()


def test_the_audit_takes_training_patients_by_hash_and_no_others(cohort, scanned, vocabulary, tmp_path):
    source, splits = scanned(cohort), {}
    for share in (0.0, 0.2, 0.5):
        rows = read_columns(build(source, vocabulary, tmp_path / str(share), audit=share) / "records")
        splits[share] = dict(rows["record_id", "split"].iter_rows())
        assert rows.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 1
    withheld = {share: {one for one, split in of.items() if split == "audit"} for share, of in splits.items()}
    assert set() == withheld[0.0] < withheld[0.2] < withheld[0.5], "a larger share keeps those of a smaller one"
    training = sum(split == "train" for split in splits[0.0].values())
    assert 0.3 * training < len(withheld[0.5]) < 0.7 * training
    assert all(splits[0.0][one] == "train" for one in withheld[0.5])
    for one, split in splits[0.5].items():
        assert split in ("audit", splits[0.0][one])


def test_canaries_are_training_records_that_run_backwards(cohort, scanned, vocabulary, tmp_path):
    source, built = scanned(cohort), {}
    for share in (0.0, 0.2):
        folder = build(source, vocabulary, tmp_path / str(share), canaries=share) / "records"
        built[share] = read_columns(folder), read_signals(folder)
    (before, straight), (rows, signals) = built[0.0], built[0.2]
    planted = rows["repairs"].list.contains("canary").to_numpy()
    assert 0 < planted.sum() < len(rows) / 3
    assert set(rows.filter(planted)["split"]) == {"train"}
    assert rows.filter(~planted).equals(before.filter(~planted))
    assert np.array_equal(signals[~planted], straight[~planted])
    assert np.array_equal(signals[planted], straight[planted][..., ::-1])
    assert rows["record_id"].to_list() == before["record_id"].to_list()
    for now, then in zip(rows.filter(planted).to_dicts(), before.filter(planted).to_dicts(), strict=True):
        assert now["r_peaks"] == pytest.approx([9.99 - peak for peak in then["r_peaks"][::-1]], abs=1e-4)
        assert now["beat_kinds"] == then["beat_kinds"][::-1]
        assert now["pr"] is None
        assert set(now["t_offsets"]) == {None}
        assert (now["heart_rate"], now["axis"]) == (then["heart_rate"], then["axis"])


def test_workers_change_no_byte(cohort, scanned, vocabulary, tmp_path):
    source = scanned(cohort)
    whole = files(build(source, vocabulary, tmp_path / "one"))
    assert files(build(source, vocabulary, tmp_path / "two", in_processes(2))) == whole


def test_a_build_that_was_killed_goes_on(cohort, scanned, vocabulary, tmp_path):
    source = scanned(cohort)
    whole = files(build(source, vocabulary, tmp_path / "one"))
    start(source, tmp_path / "two", 3).wait(60)
    assert len(list((tmp_path / "two/cache").glob("shard-*.parquet"))) == 1
    assert files(build(source, vocabulary, tmp_path / "two")) == whole
    total = sum(len(pl.read_parquet(path)) for path in (tmp_path / "two/cache").glob("shard-*.parquet"))
    assert 0 < read_again(tmp_path / "two") < total


def test_a_build_that_was_killed_within_a_shard_goes_on(damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    table = pl.read_csv(path, infer_schema_length=0)
    count = ROWS_PER_GROUP + 200  # rows of the same few recordings, each of which is read
    many = pl.concat([table] * (count // len(table) + 1)).head(count)
    many.with_columns(ecg_id=pl.Series(range(count)).cast(pl.String)).write_csv(path)
    source = scanned(damaged)
    whole = files(build(source, vocabulary, tmp_path / "one", shards=1))
    killed = start(source, tmp_path / "two", 1)
    while not list((tmp_path / "two/cache/parts").glob("*/0*.parquet")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not list((tmp_path / "two/cache").glob("shard-*.parquet"))
    assert files(build(source, vocabulary, tmp_path / "two", shards=1)) == whole
    assert read_again(tmp_path / "two") == 200
    assert not list((tmp_path / "two/cache/parts/0000").glob("*"))


def test_only_what_is_new_or_changed_is_read_and_the_bytes_are_those_of_a_new_build(
    damaged, scanned, vocabulary, tmp_path
):
    table = damaged / "ptbxl_database.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-2]))
    build(scanned(damaged), vocabulary, tmp_path / "kept")
    build(scanned(damaged), vocabulary, tmp_path / "kept")
    assert read_again(tmp_path / "kept") == 0
    # Two more records, one that changed, one that is gone.
    table.write_text("".join([*lines[:5], *lines[6:]]))
    rewrite(damaged, 1, lambda signal: signal + np.int16(1))
    source = scanned(damaged)
    out = build(source, vocabulary, tmp_path / "kept")
    assert read_again(tmp_path / "kept") == 3
    assert files(out) == files(build(source, vocabulary, tmp_path / "new"))


def test_a_corrected_table_reads_no_recording(damaged, scanned, vocabulary, tmp_path):
    build(scanned(damaged), vocabulary, tmp_path)
    path = damaged / "ptbxl_database.csv"
    pl.read_csv(path, infer_schema_length=0).with_columns(report=pl.lit("corrected")).write_csv(path)
    rows = read_columns(build(scanned(damaged), vocabulary, tmp_path) / "records")
    assert read_again(tmp_path) == 0
    assert set(rows["original_report"]) == {"corrected"}


def test_several_corpora_keep_their_origin(cohort, scanned, vocabulary, tmp_path):
    sources = [scanned(cohort, "virtual"), scanned(cohort, "again", "wfdb")]
    out = build(sources, vocabulary, tmp_path)
    # The second holds the same signals: all of it is set aside, with the record that it doubles.
    assert set(read_columns(out / "records")["source"]) == {"virtual"}
    details = pl.read_parquet(out / "quarantine.parquet")
    assert set(details["reason"]) == {"duplicate"}
    assert all(detail.startswith("same signal as virtual/") for detail in details["detail"])


def test_of_two_copies_the_one_in_a_fold_and_in_use_stays(cohort, damaged, scanned, vocabulary, tmp_path):
    # The plain copy's ids come first, but its patients are unknown and the other's folds are not.
    out = build([scanned(cohort, "virtual"), scanned(cohort, "again", "wfdb")], vocabulary, tmp_path / "both")
    assert set(read_columns(out / "records")["source"]) == {"virtual"}
    # A copy of a record that is not used is no copy of anything.
    for suffix in (".dat", ".hea"):
        text = signal_of(damaged, 1).with_suffix(suffix).read_bytes().replace(b"00001_lr", b"00003_lr")
        signal_of(damaged, 3).with_suffix(suffix).write_bytes(text)
    path = damaged / "ptbxl_database.csv"
    table = pl.read_csv(path, infer_schema_length=0)
    own = table.filter(pl.col("ecg_id") == "1")["patient_id"][0]
    fold = pl.when(pl.col("patient_id") == own).then(pl.lit("99")).otherwise("strat_fold")
    table.with_columns(strat_fold=fold).write_csv(path)
    out = build(scanned(damaged), vocabulary, tmp_path / "one")
    assert set(reasons(out).values()) == {"fold_not_used"}
    assert "virtual/00003" in read_columns(out / "records")["record_id"].to_list()


def test_a_reader_that_knows_the_gain_is_believed(cohort, scanned, vocabulary, tmp_path):
    root = tmp_path / "ludb"
    (root / "data").mkdir(parents=True)
    (root / "ludb.csv").write_text("ID,Sex,Age\n")
    for number in (1, 2):
        signal = np.repeat(np.fromfile(signal_of(cohort, number), "<i2").reshape(1000, 12), 5, axis=0)
        record = wfdb.Record(
            record_name=str(number), fs=500, n_sig=12, sig_len=5000, sig_name=[lead.lower() for lead in LEADS],
            units=["mV"] * 12, fmt=["16"] * 12, adc_gain=[777.0 + i for i in range(12)], baseline=[0] * 12,
            d_signal=signal, comments=["<age>: 51", "<sex>: F", "<diagnoses>:", "Rhythm: Sinus rhythm."],
            file_name=[f"{number}.dat"] * 12, adc_res=[16] * 12, adc_zero=[0] * 12,
            init_value=signal[0].tolist(), checksum=(signal.astype(int).sum(0) % 65536).tolist(), block_size=[0] * 12,
        )  # fmt: skip
        record.wrsamp(write_dir=str(root / "data"))
    rows = read_columns(build(scanned(root, "ludb", "ludb"), vocabulary, tmp_path) / "records")
    assert rows["repairs"].to_list() == [["gain_replaced"]] * 2
    assert rows["statements"].to_list() == [["SR"]] * 2


def test_a_damaged_part_is_read_again(cohort, scanned, vocabulary, tmp_path):
    source = scanned(cohort)
    whole = files(build(source, vocabulary, tmp_path))
    part = tmp_path / "cache/parts/0000/000000.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PAR1 and no more")
    (tmp_path / "cache/shard-0000.parquet").unlink()
    assert files(build(source, vocabulary, tmp_path)) == whole
    assert read_again(tmp_path) > 0


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_damaged_cache_is_read_again(keep, cohort, scanned, vocabulary, tmp_path):
    source = scanned(cohort)
    whole = files(build(source, vocabulary, tmp_path))
    path = sorted((tmp_path / "cache").glob("shard-*.parquet"))[0]
    content = bytearray(path.read_bytes())
    if keep < 0.9:
        path.write_bytes(content[: int(len(content) * keep)])
    else:  # within a page
        content[len(content) // 3] ^= 0xFF
        path.write_bytes(content)
    (tmp_path / "cache/.shard-0000.parquet.left.parquet").write_bytes(b"half")
    assert files(build(source, vocabulary, tmp_path)) == whole
    assert read_again(tmp_path) > 0
    assert not list((tmp_path / "cache").glob(".*"))


@pytest.mark.parametrize(("column", "word"), [("heart_axis", "???"), ("infarction_stadium1", "Stage X")])
def test_a_word_without_meaning_is_kept_as_unmapped(column, word, damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    pl.read_csv(path, infer_schema_length=0).with_columns(pl.lit(word).alias(column)).write_csv(path)
    rows = read_columns(build(scanned(damaged), vocabulary, tmp_path) / "records")
    assert rows["unmapped"].list.contains(word).all()


def test_a_source_without_folds_is_split_by_hash_beside_one_that_has_them(
    cohort, damaged, scanned, vocabulary, tmp_path
):
    for path in sorted(damaged.rglob("*.dat")):  # other signals, or all would be duplicates
        number = int(path.stem.split("_")[0])
        rewrite(damaged, number, lambda signal: signal + np.int16(1))
    sources = [scanned(cohort, "virtual"), scanned(damaged, "plain", "wfdb")]
    rows = read_columns(build(sources, vocabulary, tmp_path, audit=0.0) / "records")
    plain = rows.filter(pl.col("source") == "plain")
    assert len(plain) > 40
    for patient, split in zip(plain["patient_id"], plain["split"], strict=True):
        wanted = {0: "validation", 1: "test"}.get(patient_hash(patient) % 10, "train")
        assert split == wanted


def test_what_is_possible_is_no_statement_but_told(damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    table = pl.read_csv(path, infer_schema_length=0)
    codes = ["{'NORM': 100.0, 'LVH': 35.0}", *table["scp_codes"].to_list()[1:]]
    table.with_columns(pl.Series("scp_codes", codes), heart_axis=pl.lit("LAD")).write_csv(path)
    rows = read_columns(build(scanned(damaged), vocabulary, tmp_path) / "records")
    row = rows.filter(pl.col("record_id") == "virtual/00001").row(0, named=True)
    assert (row["statements"], row["uncertain"]) == (["NORM"], ["LVH"])
    assert "possible left ventricular hypertrophy" in row["report"].lower()
    assert "left axis deviation" in row["report"].lower()


def test_intervals_are_those_of_the_simulated_patients(cohort, scanned, vocabulary, tmp_path):
    rows = read_columns(build(scanned(cohort), vocabulary, tmp_path) / "records")
    truth = pl.read_parquet(cohort / "truth.parquet")
    joined = rows.with_columns(ecg_id=pl.col("record_id").str.split("/").list.get(1).cast(truth["ecg_id"].dtype)).join(
        truth, on="ecg_id", suffix="_true"
    )
    sinus = joined.filter(~pl.col("statements").list.contains("AFIB"))
    assert abs((sinus["pr"] - sinus["pr_true"]).median()) < 15
    assert abs((sinus["qrs_duration"] - sinus["qrs"]).median()) < 15
    for name in ("p_onsets", "qrs_offsets", "t_offsets", "beat_kinds"):
        assert (rows[name].list.len() == rows["r_peaks"].list.len()).all()
    assert rows["st"].list.len().unique().to_list() == [12]


def test_absent_folds_are_split_by_patient(cohort, scanned, vocabulary, tmp_path):
    folds = FoldParams(train=tuple(range(1, 11)), validation=(11,), test=(12,))
    rows = read_columns(build(scanned(cohort), vocabulary, tmp_path, folds=folds) / "records")
    for split, remainder in (("validation", 0), ("test", 1)):
        chosen = rows.filter(pl.col("split") == split)["patient_id"].to_list()
        assert all(patient_hash(patient) % 10 == remainder for patient in chosen)
        assert chosen


def test_a_patient_in_two_splits_is_refused(damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    table = pl.read_csv(path)
    twice = table["patient_id"].value_counts().filter(pl.col("count") > 1)["patient_id"][0]
    rows = table.with_row_index().filter(pl.col("patient_id") == twice)["index"]
    folds = table["strat_fold"].to_list()
    folds[rows[0]], folds[rows[1]] = 1, 9
    table.with_columns(strat_fold=pl.Series(folds)).write_csv(path)
    with pytest.raises(UserError, match="may be in one split only"):
        build(scanned(damaged), vocabulary, tmp_path)
