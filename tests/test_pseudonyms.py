"""Pseudonyms, their key, and tracing back."""

import stat
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sediff.errors import UserError
from sediff.files import write_json
from sediff.lineage.trace import trace
from sediff.pseudonyms import VARIABLE, Pseudonyms, identifier_of, keep_key, read_key, read_pseudonyms
from tests.learnable import write_records

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
CLINIC = Pseudonyms(frozenset({"clinic"}), KEY)


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / ".sediff/pseudonym.key"


def test_only_restricted_sources_are_hidden_and_their_name_stays():
    hidden = CLINIC.of("clinic/00001")
    assert hidden.startswith("clinic/")
    assert len(hidden) == len("clinic/") + 16
    assert "00001" not in hidden
    assert CLINIC.of("clinics/00001") == "clinics/00001"
    assert Pseudonyms().of("clinic/00001") == "clinic/00001"


def test_a_pseudonym_depends_on_the_whole_id_and_the_key():
    ids = [f"clinic/{n}" for n in range(2000)] + [f"clinic/a/{n}" for n in range(2000)]
    assert len(set(map(CLINIC.of, ids))) == len(ids)
    other = Pseudonyms(CLINIC.restricted, OTHER)
    assert not {other.of(name) for name in ids} & {CLINIC.of(name) for name in ids}
    both = Pseudonyms(frozenset({"clinic", "ward"}), KEY)
    assert both.of("ward/1").partition("/")[2] != both.of("clinic/1").partition("/")[2]


def test_restricted_sources_without_a_key_cannot_be_had():
    with pytest.raises(ValueError, match="need a key"):
        Pseudonyms(frozenset({"clinic"}))
    assert KEY.hex() not in repr(CLINIC)
    assert str(KEY) not in repr(CLINIC)


def test_a_key_is_made_once_and_is_its_owners_alone(file):
    identifier, is_new = keep_key("", file)
    assert is_new
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert keep_key("", file) == (identifier, False)
    assert keep_key(identifier, file) == (identifier, False)
    assert file.read_bytes() == before
    assert identifier not in file.read_text()
    assert identifier_of(read_key(file)) == identifier


def test_the_environment_wins(file, monkeypatch):
    keep_key("", file)
    monkeypatch.setenv(VARIABLE, KEY.hex())
    assert read_key(file) == KEY
    assert read_pseudonyms(["clinic"], identifier_of(KEY), file) == CLINIC


def test_no_key_is_asked_for_where_nothing_is_restricted(file):
    assert read_pseudonyms([], "", file) == Pseudonyms()


def test_a_key_that_is_not_the_datas_is_refused(file, monkeypatch):
    with pytest.raises(UserError, match=r"clinic is restricted, but pseudonyms\.key of params\.yaml names no key"):
        read_pseudonyms(["clinic"], "", file)
    with pytest.raises(UserError, match=r"is missing, the pseudonym key .* that params\.yaml names"):
        read_pseudonyms(["clinic"], identifier_of(KEY), file)
    with pytest.raises(UserError, match="is missing"):
        keep_key(identifier_of(KEY), file)
    assert not file.exists(), "no second key beside the one that the data was made with"
    keep_key("", file)
    for ask in (lambda: read_pseudonyms(["clinic"], identifier_of(KEY), file), lambda: keep_key("0" * 16, file)):
        with pytest.raises(UserError, match="is not the one that the data was made with"):
            ask()


@pytest.mark.parametrize("text", ["", "short", "g" * 64, "a" * 63, "a" * 65, "ab\n" * 32])
def test_a_malformed_key_is_a_sentence_that_does_not_tell_it(file, text, monkeypatch):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(UserError, match=r"pseudonym\.key holds no pseudonym key") as error:
        read_key(file)
    assert len(text) < 3 or text not in str(error.value)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"pseudonym\.key holds no pseudonym key"):
        read_key(file)
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(UserError, match=f"{VARIABLE} holds no pseudonym key"):
        read_key(file)


def test_rows_are_renamed_and_nothing_else():
    rows = pl.DataFrame({"record_id": ["clinic/1", "open/2"], "patient_id": ["clinic/7", "open/8"]})
    renamed = CLINIC.rows(rows)
    assert renamed["record_id"].to_list() == [CLINIC.of("clinic/1"), "open/2"]
    assert renamed.drop("record_id").equals(rows.drop("record_id"))
    assert CLINIC.rows(rows.clear()).schema == rows.schema


def test_who_holds_the_key_traces_back(tmp_path):
    write_records(tmp_path, np.arange(40) % 2)
    pseudonyms = Pseudonyms(frozenset({"r"}), KEY)
    wanted = pseudonyms.of("r/017")
    assert trace(wanted, tmp_path, pseudonyms) == ("r/017", "p008")
    assert trace(f"experience:{wanted}", tmp_path, pseudonyms) == ("r/017", "p008")
    with pytest.raises(UserError, match=r"No record in .* has the pseudonym"):
        trace(wanted, tmp_path, Pseudonyms(frozenset({"r"}), OTHER))
    with pytest.raises(UserError, match=r"is no pseudonym of a restricted source \(r\)"):
        trace("other/0123456789abcdef", tmp_path, pseudonyms)


def test_a_source_that_is_configured_no_more_is_named(tmp_path):
    write_records(tmp_path, np.arange(8) % 2)
    sources = [{"name": "r", "reader": "wfdb", "sharing": "restricted"}, {"name": "open", "sharing": "open"}]
    write_json(tmp_path / "manifest.json", {"parameters": {"corpus": {"sources": sources}}})
    wanted = Pseudonyms(frozenset({"r"}), KEY).of("r/001")
    with pytest.raises(UserError, match=r"holds r, which is restricted, .* configure it again to trace r/"):
        trace(wanted, tmp_path, Pseudonyms())
    with pytest.raises(UserError, match="is no pseudonym of a restricted source"):
        trace("open/001", tmp_path, Pseudonyms())
