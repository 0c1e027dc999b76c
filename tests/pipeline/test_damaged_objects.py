"""Objects of DVC's cache and remote whose bytes are not those of their names: no version is made of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sediff.lineage.dvc_hash import Cache, md5_file
from sediff.publication.store import lock_in, outs_of
from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import change, make, said

DAMAGE = b"damaged"


def sediff(project: Path, *arguments: str) -> tuple[int, str]:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


def damage(path: Path) -> None:
    """Change bytes and keep the permissions, by which DVC knows what is whole; the length too."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(DAMAGE[: len(content)] + content[len(DAMAGE) :])
    path.chmod(0o444)


def at_remote(project: Path, md5: str) -> Path:
    return project.parent / "store/files/md5" / md5[:2] / md5[2:]


def intact(project: Path, version: str) -> None:
    """Every object at the remote is what its name says, and the version verifies."""
    for path in (project.parent / "store/files/md5").rglob("*"):
        assert path.is_dir() or md5_file(path) == "".join(path.parts[-2:]).removesuffix(".dir"), path
    status, told = sediff(project, "verify", version)
    assert status == 0, told


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Path:
    """A project whose refresh did all but send its data and publish: its remote was no folder."""
    project = make(tmp_path_factory.mktemp("ran"))
    (project.parent / "store").write_text("no folder")
    assert sediff(project, "refresh")[0] == 1
    (project.parent / "store").unlink()
    return project


@pytest.fixture
def project(ran, tmp_path) -> Path:
    shutil.copytree(ran.parent, tmp_path / "copy", symlinks=True)
    project = tmp_path / "copy/checkout"
    said(project, "git", "worktree", "repair", ".sediff/published")
    said(project, "git", "remote", "set-url", "origin", str(tmp_path / "copy/remote.git"))
    return project


@pytest.fixture
def published(project) -> Path:
    status, told = sediff(project, "refresh")
    assert status == 0, told
    return project


def hashes(project: Path) -> dict[str, str]:
    """Hashes of the dataset's listing and its rows, and of the weights, by what they are."""
    folder, cache = project / ".sediff/published", Cache(project)
    outs = outs_of(lock_in(folder))
    weights = (cache.listing(outs["data/diffusion"]) or {})["weights.txt"]
    rows = (cache.listing(outs["data/synthesis/dataset"]) or {})["rows.txt"]
    return {"listing": outs["data/synthesis/dataset"], "rows": rows, "weights": weights}


def test_what_was_damaged_between_the_stages_and_publication_is_made_again(project):
    cache, found = Cache(project), hashes(project)
    for md5 in found.values():
        damage(cache.path(md5))
    other = at_remote(project, found["rows"])  # and one that somebody sent, of the same length
    other.parent.mkdir(parents=True)
    shutil.copy(cache.path(found["rows"]), other)
    status, told = sediff(project, "refresh")
    assert (status, "ecg@v0.0.1 is served" in told) == (0, True), told
    for name in ("data/synthesis/dataset", "data/synthesis/dataset/rows.txt", "data/diffusion/weights.txt"):
        assert f"{name} was damaged in DVC's cache: made again from the working tree" in told
    assert "data/synthesis/dataset/rows.txt was damaged at DVC's remote: sent again" in told
    intact(project, "ecg@v0.0.1")


def test_what_is_whole_nowhere_is_not_published_and_made_anew_the_next_night(project):
    folder, rows = project / ".sediff/published", hashes(project)["rows"]
    for path in (Cache(project).path(rows), folder / "data/synthesis/dataset/rows.txt"):
        damage(path)
    status, told = sediff(project, "refresh")
    if status:  # DVC may see that the file changed, and make it anew at once
        assert "refresh again, and the stage makes it anew" in told
        assert said(project, "git", "tag") == ""
        status, told = sediff(project, "refresh")
    assert status == 0, told
    intact(project, "ecg@v0.0.1")


def test_what_a_stage_takes_from_the_cache_is_looked_at(published):
    """The weights of parameters that were published before, damaged since; at the remote too the second time."""
    weights = hashes(published)["weights"]
    change(published, "diffusion.steps=2")
    assert sediff(published, "refresh")[0] == 0
    change(published, "diffusion.steps=1")
