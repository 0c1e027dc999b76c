"""Objects that are damaged in DVC's cache, at its remote, or where DVC restored them, on a small DVC repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sediff.errors import UserError
from sediff.lineage.dvc_hash import Cache
from sediff.publication import publish
from sediff.publication.intact import reject_restored
from sediff.publication.publish import push_data, push_refs
from sediff.publication.store import lock_in, outs_of
from tests.objects import at_remote, damage, fill, wrong
from tests.pipeline.bucket import made

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@t")
MAKE = """
from pathlib import Path
Path("data/made").mkdir(parents=True, exist_ok=True)
for name in ("first", "second"):
    Path("data/made", name).write_text(name * 100)
with open("runs", "a") as runs:
    runs.write("x")
"""


def command(folder: Path, *arguments: str) -> None:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def dvc(folder: Path, *arguments: str) -> None:
    command(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture
def project(tmp_path) -> Path:
    """One with a stage that ran, and a remote beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    command(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "remote", "add", "-q", "-d", "store", "../store")
    (folder / "make.py").write_text(MAKE)
    stage = {"cmd": f"{sys.executable} make.py", "deps": ["make.py"], "outs": ["data/made"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"made": stage}}))
    dvc(folder, "repro", "-q")
    command(folder, "git", "add", "-A")
    command(folder, "git", *AUTHOR, "commit", "-qm", "made")
    return folder


def hashes(project: Path) -> dict[str, str]:
    """Of the listing, under the name "", and of the files."""
    listing = outs_of(lock_in(project))["data/made"]
    return {"": listing, **(Cache(project).listing(listing) or {})}


def push(project: Path) -> list[str]:
    """What it said of sending the data."""
    said: list[str] = []
    push_data(project, "ecg", said.append)
    return said


def test_what_is_damaged_in_the_cache_is_made_again_from_the_working_tree(project):
    cache, found = Cache(project), hashes(project)
    for name in ("", "second"):
        damage(cache.path(found[name]))
    how = "was damaged in DVC's cache: made again from the working tree"
    assert push(project) == [f"data/made {how}", f"data/made/second {how}"]
    assert wrong(project / ".dvc/cache") == wrong(project.parent / "store") == []
    assert push(project) == []
    dvc(project, "status", "--quiet")


def test_or_fetched_where_that_is_damaged_too(project):
    push(project)
    second = hashes(project)["second"]
    damage(Cache(project).path(second))
    (project / "data/made/second").write_text("changed")
    assert push(project) == ["data/made/second was damaged in DVC's cache: fetched from DVC's remote"]
    assert wrong(project / ".dvc/cache") == []


def test_and_where_nobody_has_it_nothing_is_sent(project):
    second = hashes(project)["second"]
    damage(Cache(project).path(second))
    (project / "data/made/second").write_text("changed")
    with pytest.raises(UserError, match=r"nor from the remote: data/made/second; removed, so refresh again"):
        push(project)
    assert not (project.parent / "store/files").exists()
    dvc(project, "repro", "-q")
    assert push(project) == []
    assert (project / "runs").read_text() == "xx", "the stage made it anew"
    assert wrong(project / ".dvc/cache") == wrong(project.parent / "store") == []


def test_a_fault_of_our_own_while_data_are_sent_is_not_the_remotes(project):
    push(project)
    damage(at_remote(project.parent / "store", hashes(project)["first"]))

    def say(line: str) -> None:
        raise ZeroDivisionError(line)

    with pytest.raises(ZeroDivisionError, match="was damaged at DVC's remote: sent again"):
        push_data(project, "ecg", say)


def test_a_remote_that_takes_nothing_is_tried_again_and_told_in_a_sentence(project, monkeypatch):
    monkeypatch.setattr(publish, "PUSH_WAITS", (0.1,))
    (project.parent / "store").write_text("no folder")
    said: list[str] = []
    with pytest.raises(UserError, match=r"^DVC's remote does not take data \(.+\): mend it, then run again\.$"):
        push_data(project, "ecg", said.append)
    assert len(said) == 1 and said[0].endswith("; trying again in 0 s")


@pytest.fixture
def upstream(project, monkeypatch) -> Path:
    """Where git's remote is to be, and is not yet; nobody waits long for it."""
    monkeypatch.setattr(publish, "PUSH_WAITS", (0.1, 0.1))
    command(project, "git", "remote", "add", "origin", str(project.parent / "upstream.git"))
    return project.parent / "upstream.git"


def test_a_git_remote_that_is_away_for_a_moment_is_asked_again(project, upstream):
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        command(project, "git", "init", "-q", "--bare", str(upstream))

    push_refs(project, ["HEAD:refs/heads/published"], say)
    assert len(said) == 1
    assert said[0].startswith("git's remote origin does not take what is published (")
    command(upstream, "git", "rev-parse", "--verify", "published")


def test_a_git_remote_that_stays_away_is_told_in_a_sentence(project, upstream):
    said: list[str] = []
    with pytest.raises(UserError, match=r"^git's remote origin does not take .+: mend it, then run again\.$"):
        push_refs(project, ["HEAD:refs/heads/published"], said.append)
    assert len(said) == 2


def test_what_a_git_remote_refuses_is_not_sent_again(project, upstream):
    command(project, "git", "init", "-q", "--bare", str(upstream))
    (upstream / "hooks/pre-receive").write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    (upstream / "hooks/pre-receive").chmod(0o755)
    said: list[str] = []
    with pytest.raises(UserError, match=r"git push failed .*protected.*rejected"):
        push_refs(project, ["HEAD:refs/heads/published"], said.append)
    assert said == []


def test_what_is_damaged_at_the_remote_or_lacks_there_is_sent_again(project):
    push(project)
    found = hashes(project)
    damage(at_remote(project.parent / "store", found["first"]))
    at_remote(project.parent / "store", found["second"]).unlink()  # DVC trusts the listing, which is there
    told = push(project)
    assert "data/made/first was damaged at DVC's remote: sent again" in told
    assert wrong(project.parent / "store") == []
    assert all(at_remote(project.parent / "store", md5).is_file() for md5 in found.values())


def test_a_bucket_tells_by_its_tags(project):
    second = hashes(project)["second"]
    key = f"dvc/files/md5/{second[:2]}/{second[2:]}"
    with made("versions-of-ecg") as bucket:
        (project / ".dvc/config").write_text(f"[core]\n    remote = store\n{bucket.shared('store')}")
        (project / ".dvc/config.local").write_text(bucket.own("store"))
        assert push(project) == []
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"another" * 100)
        assert push(project) == ["data/made/second was damaged at DVC's remote: sent again"]
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"sekond" * 100)  # as long
        assert push(project) == ["data/made/second was damaged at DVC's remote: sent again"]
        assert bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read() == b"second" * 100


def test_without_a_remote_the_cache_is_looked_at(project):
    dvc(project, "remote", "remove", "-q", "store")
    damage(Cache(project).path(hashes(project)["first"]))
    assert [line.partition(":")[0] for line in push(project)] == [
        "data/made/first was damaged in DVC's cache",
        "DVC has no remote",
    ]
    assert wrong(project / ".dvc/cache") == []


def test_what_the_last_version_has_is_not_read_again(project):
    push(project)
    command(project, "git", "add", "-A")
    command(project, "git", *AUTHOR, "commit", "-qm", "x", "--allow-empty")
    command(project, "git", *AUTHOR, "tag", "-a", "ecg@v0.0.1", "-m", "x")
    damage(Cache(project).path(hashes(project)["first"]))
    assert push(project) == []
    at_remote(project.parent / "store", hashes(project)["first"]).unlink()
    assert push(project) == [  # unless it is sent again
        "data/made/first was damaged in DVC's cache: made again from the working tree",
        "data/made/first was missing at DVC's remote: sent again",
    ]
    assert wrong(project / ".dvc/cache") == wrong(project.parent / "store") == []


@pytest.mark.parametrize("sent", [True, False], ids=["fetched", "made again"])
def test_what_dvc_restores_and_is_damaged_is_taken_away(project, sent):
    if sent:
        push(project)
    assert reject_restored(project, "made") == []
    damage(Cache(project).path(hashes(project)["first"]))
    command(project, "rm", "-r", "data/made")
    dvc(project, "repro", "-q")
    assert (project / "data/made/first").read_text() != "first" * 100, "DVC took it as it was"
    assert reject_restored(project, "made") == ["data/made"]
    assert not (project / "data/made").exists()
    dvc(project, "repro", "-q")
    assert (project / "data/made/first").read_text() == "first" * 100
    assert (project / "runs").read_text() == ("x" if sent else "xx")
    assert wrong(project / ".dvc/cache") == []


def test_what_is_fetched_for_a_damaged_object_and_does_not_fit_on_the_disk_is_told(project, disk):
    push(project)
    cache, first = Cache(project), hashes(project)["first"]
    damage(cache.path(first))
    command(project, "rm", "-r", "data/made")
    dvc(project, "repro", "-q")
    shutil.rmtree(cache.path(first).parent)
    cache.path(first).parent.symlink_to(disk)
    fill(disk)
    with pytest.raises(UserError, match="the disk is full; free some space"):
        reject_restored(project, "made")
