"""What a copy holds, and what a rerun fetches."""

import os

import pytest

from sediff.corpus.readers import READERS
from sediff.errors import UserError
from sediff.fetch import copy, verified
from sediff.fetch.corpora import CORPORA
from tests.fetch.site import FILES, LISTING, fetch, held


def test_a_corpus_arrives_in_its_own_layout(site, tmp_path):
    line = fetch(site, tmp_path / "new/ludb")
    assert held(tmp_path / "new/ludb") == FILES
    assert (tmp_path / "new/ludb" / LISTING).read_bytes() == site.body(LISTING)
    assert line.startswith("ludb 1.0.1: 5 files (1 MB) in ")
    assert "5 fetched now, all verified" in line
    assert site.asked("RECORDS")[0]["User-Agent"].startswith("sediff/")


def test_the_next_command_is_named(site, tmp_path):
    assert set(CORPORA) <= set(READERS)
    listing, site.files = site.body(LISTING), {}
    site.files = {"/ptb-xl/1.0.3/" + name: data for name, data in FILES.items()}
    site.files["/ptb-xl/1.0.3/" + LISTING] = listing
    line = copy.fetch(CORPORA["ptb-xl"], tmp_path / "a b", (), False, 2, f"{site.url}/")
    assert line.endswith(f"next: sediff configure --corpus '{tmp_path}/a b'")


def test_a_rerun_asks_for_what_is_missing_only(site, tmp_path):
    fetch(site, tmp_path)
    (tmp_path / "ludb.csv").unlink()
    site.requests.clear()
    assert ", 1 fetched now" in fetch(site, tmp_path)
    assert site.paths() == ["ludb.csv"]


def test_known_files_are_hashed_again_only_to_verify(site, tmp_path):
    fetch(site, tmp_path)
    path = tmp_path / "data/1.hea"
    stat = path.stat()
    path.write_bytes(b"X" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ", 0 fetched now" in fetch(site, tmp_path)
    assert held(tmp_path) != FILES, "same size and time: taken as known"
    site.requests.clear()
    assert ", 1 fetched now" in fetch(site, tmp_path, verify=True)
    assert held(tmp_path) == FILES
    assert sorted(site.paths()) == [LISTING, "data/1.hea"]


def test_a_file_that_changed_is_mended_without_being_asked_to(site, tmp_path):
    fetch(site, tmp_path)
    (tmp_path / "data/1.hea").write_bytes(b"changed")
    assert ", 1 fetched now" in fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_a_copy_from_elsewhere_is_verified_not_fetched(site, tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert ", 0 fetched now" in fetch(site, tmp_path)
    assert site.paths() == [LISTING]


def test_a_record_that_was_cut_costs_one_hash_and_no_download(site, tmp_path):
    fetch(site, tmp_path)
    state = tmp_path / verified.STATE
    state.write_bytes(state.read_bytes()[:-20])
    site.requests.clear()
    fetch(site, tmp_path)
    assert site.paths() == []
    whole = state.read_bytes()
    fetch(site, tmp_path)
    assert state.read_bytes() == whole, "what is known is not written again"


def test_only_a_part(site, tmp_path):
    line = fetch(site, tmp_path, "data/*", "*.csv")
    assert set(held(tmp_path)) == set(FILES) - {"RECORDS"}
    assert "4 files" in line
    with pytest.raises(UserError, match=r"no file like --only records500/\*"):
        fetch(site, tmp_path, "data/*", "records500/*")
