"""Transfers that are cut, corrupt, slow or refused for a while."""

import hashlib
import time
from email.utils import formatdate

import pytest

from sediff.errors import UserError
from sediff.fetch import copy, download, server
from sediff.fetch.corpora import CORPORA
from tests.fetch.site import BIG, FILES, fetch, held


def test_a_cut_connection_goes_on_where_it_was_cut(site, tmp_path):
    site.faults["data/1.dat"] = ["cut"] * 8  # each gives half of the rest: always some new bytes
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    starts = [int(headers.get("Range", "bytes=0-")[6:-1]) for headers in site.asked("data/1.dat")]
    assert len(starts) == 9
    assert starts == sorted(set(starts)), "each request starts after the one before"
    assert starts[1] >= len(BIG) // 2 - download.CHUNK


def test_a_part_of_another_run_is_gone_on_with(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(BIG[:1000])
    (tmp_path / "RECORDS.part").write_bytes(FILES["RECORDS"])  # killed between the last byte and the name
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert [headers.get("Range") for headers in site.asked("data/1.dat")] == ["bytes=1000-"]
    assert len(site.asked("RECORDS")) == 1


@pytest.mark.parametrize("left", [b"of another version", BIG + b"too long"])
def test_a_part_that_does_not_fit_is_dropped(site, tmp_path, left):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(left)
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_a_server_without_ranges_starts_again(site, tmp_path):
    site.ranges = False
    site.faults["data/1.dat"] = ["cut", "cut"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert len(site.asked("data/1.dat")) == 3


def test_a_connection_that_brings_nothing_new_is_given_up(site, tmp_path):
    site.ranges = False
    site.faults["data/1.dat"] = ["always cut"]
    with pytest.raises(UserError, match=r"1 of 5 files of ludb 1.0.1 are left out: data/1.dat;"):
        fetch(site, tmp_path)
    assert len(site.asked("data/1.dat")) == download.TRIES


def test_a_corrupt_file_is_fetched_once_more(site, tmp_path):
    site.faults["data/1.dat"] = ["corrupt"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert len(site.asked("data/1.dat")) == 2


def test_a_file_that_stays_corrupt_is_named_and_left_out(site, tmp_path, capsys):
    site.faults["data/1.dat"] = ["always corrupt"]
    del site.files["RECORDS"]
    site.listing = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in FILES.items()).encode()
    with pytest.raises(UserError, match="2 of 5 files") as error:
        fetch(site, tmp_path)
    assert "data/1.dat" in str(error.value)
    assert "RECORDS" in str(error.value)
    assert held(tmp_path).keys() == FILES.keys() - {"data/1.dat", "RECORDS"}, "the others, and no .part"
    lines = capsys.readouterr().err
    assert "data/1.dat is left out: its SHA-256 is not the listed one" in lines
    assert "RECORDS is left out: the server answers 404" in lines
    assert len(site.asked("data/1.dat")) == 2
    site.faults.clear()
    site.files = dict(FILES)
    site.requests.clear()
    fetch(site, tmp_path)
    assert sorted(site.paths()) == ["RECORDS", "data/1.dat"]


def test_a_busy_server_is_given_the_time_it_asks_for(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download, "_rest", lambda server, path, reason, pause, wait: waits.append((reason, pause)))
    site.faults["RECORDS"] = ["busy 7", f"busy {formatdate(time.time() + 100, usegmt=True)}", "busy", "500"]
    fetch(site, tmp_path)
    assert [reason for reason, _ in waits] == ["the server answers 503"] * 3 + ["the server answers 500"]
    assert waits[0][1] == 7
    assert 90 < waits[1][1] <= 100
    assert [pause for _, pause in waits[2:]] == [download.FIRST_PAUSE * 4, download.FIRST_PAUSE * 8]


def test_the_time_asked_for_really_passes(site, tmp_path):
    site.faults["RECORDS"] = ["busy 1"]
    started = time.monotonic()
    fetch(site, tmp_path)
    assert time.monotonic() - started >= 1


def test_a_wait_that_is_too_long_is_a_sentence(site, tmp_path):
    site.faults["RECORDS"] = ["busy 86400"]
    with pytest.raises(UserError, match="asks to wait 86400 s: run the same command after that"):
        fetch(site, tmp_path)


def test_a_server_that_is_gone_ends_the_run(site, tmp_path):
    files = {f"data/{number}.dat": b"x" for number in range(200)}
    site.files = files
    for name in files:
        site.faults[name] = ["always 500"]
    with pytest.raises(UserError, match=r"the server answers 500; run the same command later, and it goes on"):
        fetch(site, tmp_path)
    assert len(set(site.paths())) < 30
    with pytest.raises(UserError, match=r"SHA256SUMS.txt cannot be fetched.*check the network and --base-url"):
        copy.fetch(CORPORA["ludb"], tmp_path / "b", (), False, 2, "http://127.0.0.1:9")


def test_a_silent_server_is_given_up(site, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "TIMEOUT", (0.2, 0.2))
    site.faults["data/1.dat"] = ["hang"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_several_connections_at_a_time(site, tmp_path):
    site.files = {f"data/{number}.dat": b"x" for number in range(12)}
    site.pause = 0.05
    fetch(site, tmp_path, connections=4)
    assert 2 <= site.most_open <= 4
    assert site.accepted <= 5, "each is kept from file to file; the listing has its own"
