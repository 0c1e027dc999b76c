import numpy as np
import wfdb

from sediff.ecg import LEADS
from sediff.export import write_wfdb
from sediff.paper import draw_ecg


def signal() -> np.ndarray:
    return np.random.default_rng(0).integers(-3000, 3000, (12, 1000)).astype(np.int16)


def test_wfdb_gives_every_microvolt_back(tmp_path):
    write_wfdb(signal(), tmp_path, "ecg", ["SYNTHETIC", "two\nlines"])
    record = wfdb.rdrecord(str(tmp_path / "ecg"))
    assert record.sig_name == list(LEADS)
    assert record.fs == 100
    assert (np.rint(record.p_signal.T * 1000) == signal()).all()
    assert record.comments == ["SYNTHETIC", "two lines"]


def test_long_and_odd_comments_stay_within_a_headers_lines(tmp_path):
    write_wfdb(signal(), tmp_path, "ecg", ["word " * 300, "a\x00b\x1b[31mc", "72jähriger, τ", ""])
    lines = (tmp_path / "ecg.hea").read_bytes().splitlines()
    assert max(map(len, lines)) <= 255
    comments = wfdb.rdheader(str(tmp_path / "ecg")).comments
    assert " ".join(comments).split().count("word") == 300
    assert "72jaehriger, ?" in comments
    assert not any(ord(character) < 32 for comment in comments for character in comment)


def test_pictures_are_written_and_the_same_each_time(tmp_path):
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<"), (".pdf", b"%PDF")):
        pages = []
        for name in ("a", "b"):
            draw_ecg(signal(), "SYNTHETIC · sinus rhythm", tmp_path / f"{name}{suffix}")
            pages.append((tmp_path / f"{name}{suffix}").read_bytes())
        assert pages[0].lstrip().startswith(start)
        assert pages[0] == pages[1], suffix
