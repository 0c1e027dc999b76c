import numpy as np
import wfdb

from sediff.ecg import LEADS
from sediff.export.wfdb import write_wfdb


def signal() -> np.ndarray:
    return np.random.default_rng(0).integers(-32767, 32767, (12, 1000)).astype(np.int16)


def test_the_bytes_are_those_of_the_wfdb_package(tmp_path):
    comments = ["SYNTHETIC", "seed: 0"]
    write_wfdb(signal(), tmp_path / "ours", "ecg", comments)
    (tmp_path / "theirs").mkdir()
    wfdb.wrsamp(
        "ecg",
        fs=100,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        d_signal=signal().T.astype(np.int64),
        fmt=["16"] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        comments=comments,
        write_dir=str(tmp_path / "theirs"),
    )
    for suffix in ("hea", "dat"):
        assert (tmp_path / f"ours/ecg.{suffix}").read_bytes() == (tmp_path / f"theirs/ecg.{suffix}").read_bytes()


def test_long_and_odd_comments_stay_within_a_headers_lines(tmp_path):
    comments = ["word " * 300, "a\x00b\x1b[31mc", "72jähriger, τ", "résumé", "two\nlines", ""]
    write_wfdb(signal(), tmp_path, "ecg", comments)
    lines = (tmp_path / "ecg.hea").read_bytes().splitlines()
    assert max(map(len, lines)) <= 255
    comments = wfdb.rdheader(str(tmp_path / "ecg")).comments
    assert " ".join(comments).split().count("word") == 300
    assert {r"72jaehriger, \u03c4", "resume", "two lines"} <= set(comments)
    assert not any(ord(character) < 32 for comment in comments for character in comment)
