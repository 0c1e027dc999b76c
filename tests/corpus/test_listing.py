"""The listing on disk, the inventory beside it, and joins that take no memory."""

from pathlib import Path

import pytest

from sediff.corpus.cache import LISTING_CODE, cache_folder
from sediff.corpus.inventory import Inventory
from sediff.corpus.listing import Listed, Listing
from sediff.corpus.ondisk import OnDisk
from sediff.corpus.params import CorpusParams, ScreeningParams
from sediff.corpus.readers import READERS, RawRecord, Rejection
from sediff.errors import UserError
from sediff.records import ROWS_PER_GROUP
from tests.corpus.raw import ecg, write_wfdb

PARAMS = CorpusParams(sources=({"name": "virtual", "reader": "ptb-xl"},))
CODE = {"sediff/corpus": "1", "sediff/beats.py": "2"} | dict.fromkeys(LISTING_CODE, "3")


def listed(number: int, fold: int | None = None, patient: str = "one") -> Listed:
    said = {"record_id": f"raw/{number:05d}", "patient_id": f"raw/{patient}", "source": "raw", "fold": fold}
    return Listed(said | {"path": "a", "suffix": ".dat", "rate": None, "gain": None}, ("h", None))


def test_a_shard_is_read_by_id_and_what_is_set_aside_meanwhile_is_kept(tmp_path):
    listing, count = Listing(tmp_path / "listing.sqlite", 1), 2 * ROWS_PER_GROUP + 3
    listing.fill([*map(listed, reversed(range(count))), Rejection("raw", "raw/x", "t.csv", "bad_table_row", "")])
    seen = []
    for batch in listing.of_shard(0):
        seen += [one.said["record_id"] for one in batch]
        listing.reject([Rejection("raw", batch[0].said["record_id"], "a", "clipped", "")])
        assert len(batch) <= ROWS_PER_GROUP
    assert seen == [f"raw/{number:05d}" for number in range(count)]
    (rejected,) = listing.rejected()
    assert [one.record_id for one in rejected] == ["raw/00000", "raw/00512", "raw/01024", "raw/x"]
    assert listing.reasons() == {"clipped": 3, "bad_table_row": 1}


def test_hashes_are_those_of_the_files_that_were_there():
    assert listed(1).hashes == {"a.hea": "h"}


def test_patients_in_several_folds_are_found(tmp_path):
    listing = Listing(tmp_path / "listing.sqlite", 4)
    folds = {"one": (1, 1), "two": (2, 9), "none": (None, None), "half": (None, 3)}
    rows = [(fold, patient) for patient, pair in folds.items() for fold in pair]
    listing.fill(listed(number, *row) for number, row in enumerate(rows))
    found = {patient: set(several) for patient, several in listing.in_several_folds()}
    assert found == {"raw/two": {2, 9}, "raw/half": {None, 3}}
    assert listing.folds() == {1, 2, 3, 9, None}


def test_of_one_key_the_first_value_stays():
    kept = OnDisk()
    assert kept.add("a", ["x", None]) and kept.add(1, None)
    assert not kept.add("a", "y")
    assert (kept.get("a"), kept.get(1), kept.get("b")) == (["x", None], None, None)


@pytest.fixture
def folder(tmp_path) -> Path:
    for seed in range(3):
        write_wfdb(tmp_path / f"raw/a/{seed}", ecg(seed=seed), comments=(f"Age: {40 + seed}",))
    return tmp_path / "raw"


def ages(source, headers: Path) -> tuple[list[float | None], int]:
    """What the plain reader says of a source's records, and how many headers it opened."""
    inventory = Inventory(headers)
    inventory.add(source)
    found = list(READERS["wfdb"](source.name, source.root, inventory.reader(source)).records())
    inventory.close()
    return [one.age for one in found if isinstance(one, RawRecord)], inventory.opened


def test_a_known_header_is_not_opened_again(folder, scanned, tmp_path):
    headers = tmp_path / "headers.sqlite"
    assert ages(scanned(folder, reader="wfdb"), headers) == ([40, 41, 42], 3)
    assert ages(scanned(folder, reader="wfdb"), headers) == ([40, 41, 42], 0)
    write_wfdb(folder / "a/1", ecg(seed=1), comments=("Age: 50",))
    write_wfdb(folder / "b/3", ecg(seed=3), comments=("Age: 60",))
    assert ages(scanned(folder, reader="wfdb"), headers) == ([40, 50, 42, 60], 2)
    # A header that no source has any more is not kept.
    (folder / "a/0.hea").rename(folder / "0.txt")
    scanned(folder, reader="wfdb")
    assert ages(scanned(folder, reader="wfdb"), headers)[1] == 0
    (folder / "0.txt").rename(folder / "a/0.hea")
    assert ages(scanned(folder, reader="wfdb"), headers)[1] == 1


@pytest.mark.parametrize("name", ["a/1.hea", "a/new.hea"])
def test_a_header_that_is_not_the_scanned_one_is_a_sentence(name, folder, scanned, tmp_path):
    source = scanned(folder, reader="wfdb")
    (folder / name).write_text("another")
    with pytest.raises(UserError, match=rf"{name} changed since it was scanned: run `sediff scan`"):
        ages(source, tmp_path / "headers.sqlite")


def test_a_header_that_is_too_large_says_nothing(folder, scanned, tmp_path):
    (folder / "a/1.hea").write_bytes(b"# Age: 30\n" * (1 << 17))
    assert ages(scanned(folder, reader="wfdb"), tmp_path / "headers.sqlite")[0] == [40, None, 42]


def test_what_only_says_something_of_records_keeps_what_was_parsed(tmp_path):
    kept = cache_folder(tmp_path, CODE, PARAMS)
    assert cache_folder(tmp_path, CODE | dict.fromkeys(LISTING_CODE, "new"), PARAMS) == kept
    assert cache_folder(tmp_path, CODE, PARAMS.model_copy(update={"min_likelihood": 10.0})) == kept


@pytest.mark.parametrize(("code", "changes"), [
    ({"sediff/beats.py": "new"}, {}),
    ({}, {"screening": ScreeningParams(max_amplitude_mv=5)}),
    ({}, {"shards": 17}),
], ids=["code", "screening", "shards"])  # fmt: skip
def test_what_changes_a_parsed_row_drops_what_was_parsed(code, changes, tmp_path):
    kept = cache_folder(tmp_path, CODE, PARAMS)
    other = cache_folder(tmp_path, CODE | code, PARAMS.model_copy(update=changes))
    assert other != kept and not kept.exists() and other.is_dir()
