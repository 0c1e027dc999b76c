"""Listings, addresses and folders that are refused in one sentence."""

import hashlib

import pytest

from sediff.errors import UserError
from sediff.fetch import copy, verified
from sediff.fetch.corpora import CORPORA
from tests.fetch.site import FILES, LISTING, fetch, held


@pytest.mark.parametrize("path", ["../out.csv", "/tmp/out.csv", "data/../../out.csv", "a\0b", ".", ".sediff-fetch"])
def test_a_path_that_leaves_the_folder_is_refused(site, tmp_path, path):
    digest = hashlib.sha256(b"bad").hexdigest()
    site.files["../out.csv"] = b"bad"
    site.listing = f"{hashlib.sha256(FILES['RECORDS']).hexdigest()} RECORDS\n{digest} {path}\n".encode()
    with pytest.raises(UserError, match=r"SHA256SUMS.txt, line 2 names .*no path inside the corpus"):
        fetch(site, tmp_path / "copy")
    assert site.paths() == [LISTING], "nothing is fetched from such a server"
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("listing", [b"<html>Log in</html>\n", b"\xff\xfe\n", b"\n"])
def test_what_is_no_listing_is_refused_and_not_kept(site, tmp_path, listing):
    site.listing = listing
    with pytest.raises(UserError, match=r"SHA256SUMS.txt.*check --base-url"):
        fetch(site, tmp_path)
    site.listing = None
    fetch(site, tmp_path)
    assert held(tmp_path).keys() >= FILES.keys()


@pytest.mark.parametrize("address", ["physionet.org", "ftp://physionet.org/files", "https://me:secret@physionet.org"])
def test_an_address_that_is_none_is_refused(tmp_path, address):
    with pytest.raises(UserError, match="--base-url is no address") as error:
        copy.fetch(CORPORA["ludb"], tmp_path, (), False, 2, address)
    assert "secret" not in str(error.value)


def test_a_full_disk_is_a_sentence(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full; free some space and run again"):
        fetch(site, tmp_path)


def test_a_folder_that_cannot_be_is_a_sentence(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be written or read: File exists"):
        fetch(site, tmp_path / "file")


def test_one_folder_one_corpus_one_process(site, tmp_path):
    fetch(site, tmp_path)
    with pytest.raises(UserError, match=r"holds ludb 1.0.1: give another folder for ptb-xl 1.0.3"):
        copy.fetch(CORPORA["ptb-xl"], tmp_path, (), False, 2, site.url)
    with (
        verified.verified_files(tmp_path, CORPORA["ludb"]),
        pytest.raises(UserError, match="another `sediff fetch` is writing there"),
    ):
        fetch(site, tmp_path)
