"""What `gc` and `purge` may remove, on small DVC repositories: nothing of other projects, machines or hands."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from sediff.errors import UserError
from sediff.lineage.dvc_hash import Cache, md5_file, md5_of
from sediff.publication.params import RetentionParams
from sediff.publication.publish import needs_publishing
from sediff.publication.retention import collect, plan_collection
from sediff.publication.store import bring_out
from sediff.publication.versions import version_of_head
from sediff.publication.workspace import fetch_tags
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


def stored(project: Path, place: Path | None, files: dict[str, str]) -> str:
    """Put a folder's objects into DVC's cache, and into a remote; gives its hash."""
    scratch, listing = project.parent / "scratch", {}
    for path, text in files.items():
        scratch.write_text(text)
        listing[path] = md5_file(scratch)
        keep(project, place, listing[path], text)
    md5 = md5_of(listing)
    entries = [{"md5": own, "relpath": path} for path, own in sorted(listing.items())]
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
    own = stored(project, None, {"a.txt": "own"})
    others = stored(project, None, {"b.txt": "another project's"})
    (project / "dvc.lock").write_text(yaml.safe_dump(lock(("corpus", {}, {"data/corpus": own}))))
    with pytest.raises(UserError, match=r"lies outside of \.dvc, so other projects may need .* --own-cache"):
        plan_collection(project, ALL)
    found = plan_collection(project, ALL, own_cache=True)
    collect(project, found)
    there = objects(tmp_path / "shared")
    assert (own in there, others in there) == (True, False), "the working tree's out is known to be needed"


def published(project: Path, number: int, **outs: str) -> None:
    """Commit a dvc.lock with these outs of data/, and tag it as a version."""
    stages = [(name, {}, {f"data/{name}": md5}) for name, md5 in outs.items()]
    (project / "dvc.lock").write_text(yaml.safe_dump(lock(*stages)))
    commit(project)
    said(project, "git", *AUTHOR, "tag", "-a", f"ecg@v0.0.{number}", "-m", "x")


def test_what_another_machine_published_stays_in_the_remote(project, tmp_path):
    """It is learnt before anything goes; where that cannot be, nothing goes."""
    store = tmp_path / "store"
    said(tmp_path, "git", "clone", "-q", "remote.git", "other")
    said(tmp_path / "other", "git", "checkout", "-q", "-b", "night")
    tagged = stored(project, store, {"a.txt": "of a version"})
    published(tmp_path / "other", 1, corpus=tagged)
    branch = stored(project, store, {"a.txt": "of a branch"})
    (tmp_path / "other/dvc.lock").write_text(yaml.safe_dump(lock(("corpus", {}, {"data/corpus": branch}))))
    commit(tmp_path / "other")
    said(tmp_path / "other", "git", "push", "-q", "origin", "night", "ecg@v0.0.1")
    nobodys = stored(project, store, {"a.txt": "nobody's"})

    (tmp_path / "remote.git").rename(tmp_path / "away.git")
    with pytest.raises(UserError, match="What git's remote origin has published is not known"):
        plan_collection(project, ALL)
    (tmp_path / "away.git").rename(tmp_path / "remote.git")
    collect(project, plan_collection(project, ALL))
    there = objects(store)
    assert (tagged in there, branch in there, nobodys in there) == (True, True, False)


def test_a_version_that_two_machines_revoked_keeps_the_first_mark(project, tmp_path):
    published(project, 1, corpus="0" * 32)
    said(project, "git", "push", "-q", "origin", "main", "ecg@v0.0.1")
    said(tmp_path, "git", "clone", "-q", "remote.git", "other")
    for folder, why in ((project, "here"), (tmp_path / "other", "there")):
        said(folder, "git", *AUTHOR, "tag", "-a", "ecg@v0.0.1!", "-m", why, "ecg@v0.0.1^{}")
    said(tmp_path / "other", "git", "push", "-q", "origin", "ecg@v0.0.1!")
    told: list[str] = []
    fetch_tags(project, told.append)
    assert told == []
    assert "there" in said(project, "git", "tag", "-n", "-l", "ecg@v0.0.1!")


def test_a_remote_that_does_not_answer_has_lost_nothing(project, tmp_path):
    store = tmp_path / "store"
    corpus = stored(project, store, {"a.txt": "a"})
    published(project, 1, corpus=corpus)
    shutil.rmtree(project / ".dvc/cache")
    store.rename(tmp_path / "away")
    with pytest.raises(UserError, match="remote store does not answer"):
        bring_out(project, Cache(project), corpus)
    with pytest.raises(UserError, match="remote store does not answer"):
        plan_collection(project, ALL)
    (tmp_path / "away").rename(store)
    assert bring_out(project, Cache(project), corpus)
    assert not bring_out(project, Cache(project), "0" * 32), "this one it does not have"


def test_a_revoked_version_is_no_version_of_the_results(project):
    published(project, 1, corpus="0" * 32)
    said(project, "git", *AUTHOR, "tag", "-a", "ecg#current#1", "-m", "x", "ecg@v0.0.1^{}")
    assert not needs_publishing(project, "ecg")
    said(project, "git", *AUTHOR, "tag", "-a", "ecg@v0.0.1!", "-m", "x", "ecg@v0.0.1^{}")
    assert needs_publishing(project, "ecg")
    assert version_of_head(project, "ecg") is None
