"""What `gc` and `purge` may remove, on small DVC repositories: nothing of other projects, machines or hands."""

import shutil
from pathlib import Path

import pytest
import yaml

from sediff.errors import UserError
from sediff.lineage.dvc_hash import Cache, md5_file
from sediff.publication.params import RetentionParams
from sediff.publication.retention import collect, plan_collection
from tests.pipeline.clone import ROOT
from tests.pipeline.nightly import said

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@t")
ALL = RetentionParams()


def commit(project: Path, message: str = "change") -> None:
    said(project, "git", "add", "-A")
    said(project, "git", *AUTHOR, "commit", "-qm", message)


def make(folder: Path) -> Path:
    """A project without a stage that ran, with a remote of git's and one of DVC's beside it."""
    project = folder / "checkout"
    project.mkdir()
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    shutil.copy(ROOT / "params.yaml", project)
    (project / "dvc.yaml").write_text("stages: {}\n")
    (project / ".gitignore").write_text("/.sediff/\n/data/\n/judges/\n__pycache__/\n")
    said(project, "git", "init", "-q", "-b", "main")
    said(folder, "git", "init", "-q", "--bare", "remote.git")
    said(project, "git", "remote", "add", "origin", str(folder / "remote.git"))
    (folder / "store").mkdir()
    with (project / ".dvc/config").open("a") as stream:
        stream.write("    remote = store\n['remote \"store\"']\n    url = ../../store\n")
    commit(project)
    said(project, "git", "push", "-q", "origin", "main")
    return project


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    return make(tmp_path)


def stored(project: Path, place: Path | None, name: str, files: dict[str, str]) -> str:
    """Put a folder's objects into DVC's cache, and into a remote; gives its hash."""
    from sediff.lineage.dvc_hash import md5_of

    scratch, listing = project.parent / "scratch", {}
    for path, text in files.items():
        scratch.write_text(text)
        listing[path] = md5_file(scratch)
        keep(project, place, listing[path], text)
    md5 = md5_of(listing)
    entries = [{"md5": own, "relpath": path} for path, own in sorted(listing.items())]
    import json

    keep(project, place, md5, json.dumps(entries, sort_keys=True))
    return md5


def keep(project: Path, place: Path | None, md5: str, text: str) -> None:
    for folder in filter(None, (Cache(project).folder, place and place / "files/md5")):
        (folder / md5[:2]).mkdir(parents=True, exist_ok=True)
        (folder / md5[:2] / md5[2:]).write_text(text)


def lock(*stages: tuple[str, dict[str, str], dict[str, str]]) -> dict:
    """A dvc.lock of stages: their names, deps and outs."""
    return {
        "schema": "2.0",
        "stages": {
            name: {
                "cmd": name,
                "deps": [{"path": path, "hash": "md5", "md5": md5} for path, md5 in deps.items()],
                "outs": [{"path": path, "hash": "md5", "md5": md5} for path, md5 in outs.items()],
            }
            for name, deps, outs in stages
        },
    }


def objects(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "files/md5").rglob("*") if path.is_file()}


def test_a_cache_outside_of_the_project_is_asked_about(project, tmp_path):
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text(f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    assert Cache(project).folder == tmp_path / "shared/files/md5", "as DVC itself reads its settings"
    own = stored(project, None, "data/corpus", {"a.txt": "own"})
    others = stored(project, None, "data/other", {"b.txt": "another project's"})
    (project / "dvc.lock").write_text(yaml.safe_dump(lock(("corpus", {}, {"data/corpus": own}))))
    with pytest.raises(UserError, match=r"lies outside of \.dvc, so other projects may need .* --own-cache"):
        plan_collection(project, ALL)
    found = plan_collection(project, ALL, own_cache=True)
    collect(project, found)
    there = objects(tmp_path / "shared")
    assert (own in there, others in there) == (True, False), "the working tree's out is known to be needed"
