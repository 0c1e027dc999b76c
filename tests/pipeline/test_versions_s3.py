"""Versions whose data go to a DVC remote that speaks S3, and come back from it to whoever asks."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sediff.lineage.dvc_hash import files_of
from tests.pipeline.bucket import SECRET, Bucket, made
from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import change, make, said


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with made("versions-of-ecg") as bucket:
        yield bucket


def sediff(project: Path, *arguments: str) -> tuple[int, str]:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert "Traceback" not in result.stderr and SECRET not in result.stdout + result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow  # a refresh and a half
def test_a_version_goes_to_the_bucket_and_comes_back_to_a_fresh_clone(bucket, tmp_path):
    project = make(tmp_path)
    config = project / ".dvc/config"
    config.write_text(re.sub(r"\['remote \"store\"'\]\n.*\n", bucket.shared("store"), config.read_text()))
    change(project)
    gone = bucket._replace(url="http://127.0.0.1:9")
    (project / ".dvc/config.local").write_text(f"{bucket.own('store')}    endpointurl = {gone.url}\n")
    status, told = sediff(project, "refresh")
    assert (status, told.count("remote does not take data"), "then run again" in told) == (1, 3, True), told
    assert said(project, "git", "tag") == said(project, "git", "ls-remote", "origin") == "", "nothing half"

    (project / ".dvc/config.local").write_text(bucket.own("store"))
    status, told = sediff(project, "refresh")
    assert (status, "ecg@v0.0.1 is served" in told, "made diffusion" in told) == (0, True, False), told
    folder = project / ".sediff/published"
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
    assert {f"dvc/files/md5/{md5[:2]}/{md5[2:]}" for md5 in outs.values()} <= set(bucket.keys())

    shutil.rmtree(project / ".dvc/cache")
    status, told = sediff(project, "pull", "ecg@v0.0.1", str(tmp_path / "there"))
    assert status == 0, told
    made_rows = (folder / "data/synthesis/dataset/rows.txt").read_bytes()
    assert (tmp_path / "there/rows.txt").read_bytes() == made_rows

    said(tmp_path, "git", "clone", "-q", "-b", "published", "remote.git", "another")
    another = tmp_path / "another"
    assert SECRET not in (another / ".dvc/config").read_text()
    (another / ".dvc/config.local").write_text(bucket.own("store"))
    said(another, sys.executable, "-m", "dvc", "pull", "-q")
    for path in outs:
        found, wanted = (files_of(root / path) for root in (another, folder))
        assert {n: file.read_bytes() for n, file in found.items()} == {n: f.read_bytes() for n, f in wanted.items()}, (
            path
        )
