import os

import polars as pl
import pytest

from sediff.errors import UserError
from sediff.sources import Source, SourceParams, locate, read_inventory, scan, write_local_path

PARAMS = [SourceParams(name="mine", reader="ptb-xl")]


@pytest.fixture
def source(tmp_path) -> Source:
    root = tmp_path / "raw"
    (root / "a").mkdir(parents=True)
    for name in ("table.csv", "a/1.hea", "a/1.dat", "a/notes.txt"):
        (root / name).write_text(name)
    return Source("mine", "ptb-xl", "open", root, tmp_path / "out/mine.parquet")


def inventory(source: Source) -> dict[str, str]:
    table = pl.read_parquet(source.inventory)
    return dict(zip(table["path"], table["sha256"], strict=True))


def test_inventory_holds_what_readers_use(source, tmp_path):
    assert "3 files, 3 of them new" in scan(source, tmp_path / "cache.sqlite")
    assert sorted(inventory(source)) == ["a/1.dat", "a/1.hea", "table.csv"]


def test_an_unchanged_file_is_not_read_again(source, tmp_path):
    scan(source, tmp_path / "cache.sqlite")
    path = source.root / "a/1.dat"
    before, stat = inventory(source), path.stat()
    # Same size and time, other content: only a reader would notice.
    path.write_text("A/1.DAT")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "0 of them new" in scan(source, tmp_path / "cache.sqlite")
    assert inventory(source) == before


def test_a_changed_and_a_new_file_are_read(source, tmp_path):
    scan(source, tmp_path / "cache.sqlite")
    before = inventory(source)
    (source.root / "a/1.dat").write_text("changed")
    (source.root / "a/2.dat").write_text("new")
    assert "2 of them new" in scan(source, tmp_path / "cache.sqlite")
    assert inventory(source)["a/1.dat"] != before["a/1.dat"]


def test_verify_reads_every_file(source, tmp_path):
    scan(source, tmp_path / "cache.sqlite")
    path = source.root / "a/1.dat"
    before, stat = inventory(source), path.stat()
    path.write_text("A/1.DAT")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "3 of them new" in scan(source, tmp_path / "cache.sqlite", verify=True)
    assert inventory(source)["a/1.dat"] != before["a/1.dat"]


def test_a_removed_file_leaves_the_inventory(source, tmp_path):
    scan(source, tmp_path / "cache.sqlite")
    (source.root / "a/1.dat").unlink()
    scan(source, tmp_path / "cache.sqlite")
    assert sorted(inventory(source)) == ["a/1.hea", "table.csv"]


def test_a_damaged_cache_is_made_anew(source, tmp_path):
    (tmp_path / "cache.sqlite").write_text("this is no database, and long enough not to look like an empty one")
    assert "3 files, 3 of them new" in scan(source, tmp_path / "cache.sqlite")


def test_a_name_that_is_no_text_is_a_sentence(source, tmp_path):
    (source.root / os.fsdecode(b"bad\xff.dat")).write_text("x")
    with pytest.raises(UserError, match="rename or remove it"):
        scan(source, tmp_path / "cache.sqlite")


def test_a_file_that_cannot_be_read_is_named(source, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sediff.sources.sha256_file", refuse)
    with pytest.raises(UserError, match=r"table\.csv cannot be read \(Permission denied\)"):
        scan(source, tmp_path / "cache.sqlite")


def test_folders_that_the_reader_ignores_are_not_listed(source, tmp_path):
    scan(source, tmp_path / "cache.sqlite", ignored=frozenset({"a"}))
    assert sorted(inventory(source)) == ["table.csv"]


def test_an_inventory_is_read_in_the_order_of_its_paths(source, tmp_path):
    with pytest.raises(UserError, match="run `sediff scan`"):
        list(read_inventory(source))
    scan(source, tmp_path / "cache.sqlite")
    assert list(read_inventory(source)) == sorted(inventory(source).items())


def test_an_inventory_from_nothing_equals_an_incremental_one(source, tmp_path):
    scan(source, tmp_path / "cache.sqlite")
    (source.root / "a/2.dat").write_text("new")
    scan(source, tmp_path / "cache.sqlite")
    incremental = source.inventory.read_bytes()
    source.inventory.unlink()
    scan(source, tmp_path / "another.sqlite")
    assert source.inventory.read_bytes() == incremental


def test_links_that_leave_the_folder_are_not_followed(source, tmp_path):
    (tmp_path / "secret.csv").write_text("secret")
    (source.root / "out.csv").symlink_to(tmp_path / "secret.csv")
    (source.root / "loop").symlink_to(source.root)
    scan(source, tmp_path / "cache.sqlite")
    assert sorted(inventory(source)) == ["a/1.dat", "a/1.hea", "table.csv"]


def test_missing_path_folder_and_content_are_sentences(tmp_path):
    settings = tmp_path / "local.yaml"
    with pytest.raises(UserError, match="no path for source mine"):
        locate(PARAMS, settings, tmp_path)
    write_local_path(settings, "mine", tmp_path / "absent")
    with pytest.raises(UserError, match=r"absent.*is missing"):
        locate(PARAMS, settings, tmp_path)
    (tmp_path / "absent").mkdir()
    (source,) = locate(PARAMS, settings, tmp_path)
    with pytest.raises(UserError, match="holds no recordings"):
        scan(source, tmp_path / "cache.sqlite")
    settings.write_text("- not\n- paths\n")
    with pytest.raises(UserError, match=r"local\.yaml cannot be read"):
        locate(PARAMS, settings, tmp_path)


def test_two_sources_in_one_folder_are_refused(source, tmp_path):
    settings = tmp_path / "local.yaml"
    write_local_path(settings, "mine", source.root)
    write_local_path(settings, "yours", source.root / "a" / "..")
    both = [*PARAMS, SourceParams(name="yours", reader="wfdb")]
    assert locate(both[:1], settings, tmp_path)
    with pytest.raises(UserError, match="is the folder of source mine and of yours"):
        locate(both, settings, tmp_path)
