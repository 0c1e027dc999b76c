import numpy as np
import polars as pl
import pytest

from sediff.errors import UserError
from sediff.records import read_columns
from tests.corpus.building import build, reasons, rewrite, signal_of


def _flat(signal):
    signal[7] = 5
    return signal


def _nan(signal):
    signal[8, 100] = -(2**15)
    return signal


def _loud(signal):
    signal[6, 50] = 12_000
    return signal


def _contradicting(signal):
    signal[2] += 300
    return signal


def _truncate(root):
    path = signal_of(root)
    path.write_bytes(path.read_bytes()[:5000])


def _header(text: str):
    def change(root):
        signal_of(root).with_suffix(".hea").write_text(text)

    return change


def _edit_header(old: str, new: str, count: int = -1):
    def change(root):
        path = signal_of(root).with_suffix(".hea")
        path.write_text(path.read_text().replace(old, new, count))

    return change


DAMAGES = {
    "flat_lead": lambda root: rewrite(root, 1, _flat),
    "nan": lambda root: rewrite(root, 1, _nan),
    "amplitude": lambda root: rewrite(root, 1, _loud),
    "limb_leads": lambda root: rewrite(root, 1, _contradicting),
    "bad_signal": _truncate,
    "missing_file": lambda root: signal_of(root).unlink(),
    "checksum": _edit_header(" 0 V3", "1 0 V3"),
    "missing_lead": _edit_header("V6", "V7"),
    "unknown_unit": _edit_header("/mV", "/bananas"),
    "sampling_rate": _edit_header(" 12 100 1000", " 12 50 1000"),
    "too_short": _edit_header(" 12 100 1000", " 12 200 1000"),
}
HEADERS = {
    "empty": _header(""),
    "only comments": _header("# nothing\n"),
    "words": _header("this is no header\nat all\n"),
    "binary": lambda root: signal_of(root).with_suffix(".hea").write_bytes(bytes(range(256))),
    "absurd size": _edit_header(" 12 100 1000", " 12 100 99999999999999"),
    "no leads": _edit_header(" 12 100 1000", " 0 100 1000"),
    "negative size": _edit_header(" 12 100 1000", " 12 100 -5"),
    "another folder": _edit_header("00001_lr.dat", "../../../../etc/passwd"),
    "fewer lines than leads": _header("00001_lr 12 100 1000\n00001_lr.dat 16 1000.0(0)/mV 16 0 0 0 0 I\n"),
    "format unknown": _edit_header(".dat 16 ", ".dat 999 "),
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_record_is_set_aside_with_its_reason(reason, damaged, scanned, vocabulary, tmp_path):
    DAMAGES[reason](damaged)
    out = build(scanned(damaged), vocabulary, tmp_path)
    assert reasons(out) == {"virtual/00001": reason}
    assert "virtual/00001" not in read_columns(out / "records")["record_id"].to_list()


@pytest.mark.parametrize("name", HEADERS)
def test_a_broken_header_is_set_aside(name, damaged, scanned, vocabulary, tmp_path):
    HEADERS[name](damaged)
    found = reasons(build(scanned(damaged), vocabulary, tmp_path))
    assert list(found) == ["virtual/00001"]
    assert found["virtual/00001"] in ("bad_header", "bad_signal", "too_large", "unsupported")


def test_a_file_that_changed_after_the_scan_is_refused(damaged, scanned, vocabulary, tmp_path):
    source = scanned(damaged)
    rewrite(damaged, 1, lambda signal: signal + np.int16(1))
    with pytest.raises(UserError, match=r"virtual/00001: .*changed.*run again"):
        build(source, vocabulary, tmp_path)
    # Once it is scanned again, nothing of that is left.
    assert reasons(build(scanned(damaged), vocabulary, tmp_path)) == {}


def test_a_copy_of_a_recording_is_set_aside(damaged, scanned, vocabulary, tmp_path):
    for suffix in (".dat", ".hea"):
        text = signal_of(damaged, 1).with_suffix(suffix).read_bytes().replace(b"00001_lr", b"00003_lr")
        signal_of(damaged, 3).with_suffix(suffix).write_bytes(text)
    assert reasons(build(scanned(damaged), vocabulary, tmp_path)) == {"virtual/00003": "duplicate"}


@pytest.mark.parametrize("age", ["old", "nan", "-3", ""])
def test_an_age_that_is_none_is_missing(age, damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    table = pl.read_csv(path, infer_schema_length=0)
    table.with_columns(age=pl.Series([age, *table["age"].to_list()[1:]])).write_csv(path)
    rows = read_columns(build(scanned(damaged), vocabulary, tmp_path) / "records")
    assert rows.filter(pl.col("age").is_null())["record_id"].to_list() == ["virtual/00001"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("scp_codes", "{'SR': "), ("scp_codes", "[1]"), ("ecg_id", "x"), ("filename_lr", "../../x"), ("filename_lr", "")],
)
def test_a_bad_table_row_is_set_aside(column, value, damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    table = pl.read_csv(path, infer_schema_length=0)
    changed = [value, *table[column].to_list()[1:]]
    table.with_columns(pl.Series(column, changed)).write_csv(path)
    assert list(reasons(build(scanned(damaged), vocabulary, tmp_path)).values()) == ["bad_table_row"]


def test_an_unmapped_code_is_kept_and_counted(damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    path.write_text(path.read_text().replace("'SBRAD'", "'NEWCODE'"))
    rows = read_columns(build(scanned(damaged), vocabulary, tmp_path) / "records")
    assert rows.filter(pl.col("unmapped").list.contains("NEWCODE")).height > 0


def test_nothing_usable_is_a_sentence(damaged, scanned, vocabulary, tmp_path):
    for path in damaged.rglob("*.dat"):
        path.unlink()
    with pytest.raises(UserError, match=r"No record of virtual can be used \(missing_file"):
        build(scanned(damaged), vocabulary, tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_an_unreadable_table_is_a_sentence(content, damaged, scanned, vocabulary, tmp_path):
    path = damaged / "ptbxl_database.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"ptbxl_database\.csv"):
        build(scanned(damaged), vocabulary, tmp_path)
