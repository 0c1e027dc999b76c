"""What `sediff gc` keeps, by versions that are months apart, and that it removes the rest and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sediff.lineage.dvc_hash import Cache
from sediff.publication.params import RetentionParams
from sediff.publication.retention import live_versions
from sediff.publication.store import kept_by, lock_at
from sediff.publication.versions import reference, versions
from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import change, make, said

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@t")


def dated(folder: Path, day: str, *arguments: str) -> None:
    """A command of git's on a day of the past."""
    at = {"GIT_COMMITTER_DATE": f"{day}T02:00:00Z", "GIT_AUTHOR_DATE": f"{day}T02:00:00Z"}
    subprocess.run(["git", *AUTHOR, *arguments], cwd=folder, check=True, env={**os.environ, **at})


def tagged(folder: Path, *days: str) -> Path:
    """A repository with a version of each day."""
    said(folder, "git", "init", "-q")
    for number, day in enumerate(days, 1):
        dated(folder, day, "commit", "-q", "--allow-empty", "-m", day)
        dated(folder, day, "tag", "-a", f"ecg@v0.0.{number}", "-m", day)
    return folder


def test_nights_months_tags_and_what_is_served_stay(tmp_path):
    root = tagged(tmp_path, "2026-01-10", "2026-01-20", "2026-02-05", "2026-02-25", "2026-03-01", "2026-03-02")

    def live(**values) -> list[str]:
        return [version.number for version in live_versions(root, "ecg", RetentionParams(**values))]

    assert live() == [f"v0.0.{number}" for number in (6, 5, 4, 3, 2, 1)]
    assert live(nightly=2, monthly=0) == ["v0.0.6", "v0.0.5"]
    assert live(nightly=1, monthly=3) == ["v0.0.6", "v0.0.4", "v0.0.2"], "the last of each month"
    said(root, "git", "tag", "paper", "ecg@v0.0.3^{}")
    assert live(nightly=1, monthly=0) == ["v0.0.6", "v0.0.3"]
    assert live(nightly=1, monthly=0, tagged="none") == ["v0.0.6"]
    said(root, "git", *AUTHOR, "tag", "-a", "ecg#current#1", "-m", "x", "ecg@v0.0.1^{}")
    assert live(nightly=1, monthly=0, tagged="none") == ["v0.0.6", "v0.0.1"]
    said(root, "git", *AUTHOR, "tag", "-a", "ecg@v0.0.6!", "-m", "x", "ecg@v0.0.6^{}")
    assert live(nightly=1, monthly=0, tagged="none") == ["v0.0.5", "v0.0.1"], "a revoked one is no version to keep"
    said(root, "git", *AUTHOR, "tag", "-a", "ecg#current#2", "-m", "x", "ecg@v0.0.6^{}")
    compared = reference(root, "ecg")
    assert compared is not None
    assert compared.number == "v0.0.1", "what is revoked is no measure of what follows"


@pytest.mark.slow  # three refreshes
def test_what_no_live_version_needs_goes(tmp_path):
    project = make(tmp_path)
    for count in (20, 21, 22):
        change(project, f"cohort.patients={count}", "publication.retention={nightly: 1, monthly: 0, tagged: all}")
        said(project, sys.executable, "-c", MAIN, "refresh")
    newest, _, oldest = versions(project, "ecg")
    said(project, "git", "tag", "paper", f"{oldest}^{{}}")
    stores = [Cache(project).folder, tmp_path / "store/files/md5"]
    needed = kept_by(project, [lock_at(project, one.commit) for one in (newest, oldest)], ()).objects
    work = (project / ".sediff/published/.sediff").joinpath("work", "diffusion", "0123456789abcdef")
    work.mkdir(parents=True)
    os.utime(work, (time.time() - 3 * 86_400,) * 2)

    before = [names(store) for store in stores]
    assert "nothing was removed" in said(project, sys.executable, "-c", MAIN, "gc")
    assert [names(store) for store in stores] == before
    assert all(needed < there for there in before), "the one between has objects of its own"
    said(project, sys.executable, "-c", MAIN, "gc", "--yes")
    assert [names(store) for store in stores] == [needed, needed]
    assert not work.exists()

    for version in (newest, oldest):
        told = said(project, sys.executable, "-c", MAIN, "verify", str(version), "--no-raw")
        assert "all as it was recorded" in told
    result = command(project, sys.executable, "-c", MAIN, "pull", "ecg@v0.0.2", str(tmp_path / "there"))
    assert (result.returncode, "cannot be brought" in result.stderr) == (1, True), result.stderr
    assert "nothing has changed" in command(project, sys.executable, "-c", MAIN, "refresh").stderr


def names(store: Path) -> set[str]:
    return {path.parent.name + path.name for path in store.rglob("*") if path.is_file()}
