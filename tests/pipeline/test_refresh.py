"""Refreshes of a real repository with real remotes: git's a bare one, DVC's a folder."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Timer

import pytest

from flows.refresh import only_refresh
from sediff.publication.health import entry_of, note
from tests.objects import wrong
from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import change, copied, make, said
from tests.servers import Receiver, running

QUIET = 15.0  # s that a night with nothing new may take


def sediff(project: Path, *arguments: str) -> tuple[int, str]:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


def served(folder: Path) -> str:
    status, told = sediff(folder, "versions")
    assert status == 0
    return next((line.split()[0] for line in told.splitlines() if line.endswith("(served)")), "")


@pytest.fixture
def project(first_version, tmp_path, monkeypatch) -> Path:
    """One on a machine whose git has no name, as servers have it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return make(tmp_path, like=first_version.checkout)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running(Receiver()) as receiver:
        yield receiver


def processor_time() -> float:
    """s that processes took which this one waited for, and those that they waited for."""
    times = os.times()
    return times.children_user + times.children_system


def test_nights_of_a_year(first_version, tmp_path, receiver, monkeypatch):
    """After the first version a quiet night, new data, failed gates, drift, going back; and what a webhook heard."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    project = copied(first_version.checkout, tmp_path)
    assert served(project) == "ecg@v0.0.1"
    assert said(project, "git", "status", "--porcelain") == "", "the checkout is left alone"
    at_remote = said(project, "git", "ls-remote", "origin")
    assert all(name in at_remote for name in ("refs/heads/published", "ecg@v0.0.1", "ecg#current#1"))
    assert sediff(project, "health")[0] == 0

    change(project, f"publication.webhook={receiver.address}")
    before = processor_time()
    status, told = sediff(project, "refresh")
    assert (status, "nothing has changed; nothing ran" in told) == (0, True), told
    assert processor_time() - before < QUIET, "waiting for other work is not counted"
    assert served(project) == "ecg@v0.0.1"

    change(project, "cohort.patients=25", "publication.drift.records=10.0")
    assert sediff(project, "refresh")[0] == 0
    assert served(project) == "ecg@v0.0.2"

    (project / "knowledge/verdict.txt").write_text("bad")
    change(project)
    status, told = sediff(project, "refresh")
    assert (status, "evaluation.fd" in told, served(project)) == (1, True, "ecg@v0.0.2")

    (project / "knowledge/verdict.txt").write_text("good")
    change(project, "cohort.patients=60", "publication.drift.records=0.2")
    status, told = sediff(project, "refresh")
    assert (status, "records moved by" in told, served(project)) == (1, True, "ecg@v0.0.2")
    trained = list((project / ".sediff/published/runs/diffusion").glob("*/*.json"))
    assert len(trained) == 2, "what has drifted is not trained on"

    status, told = sediff(project, "rollback", "ecg@v0.0.1")
    assert (status, served(project)) == (0, "ecg@v0.0.1"), told
    for version in ("ecg@v0.0.1", "ecg@v0.0.2"):
        status, told = sediff(project, "pull", version, str(tmp_path / version))
        assert status == 0, told
    assert (tmp_path / "ecg@v0.0.1/rows.txt").read_bytes() != (tmp_path / "ecg@v0.0.2/rows.txt").read_bytes()
    assert (tmp_path / "store/files").is_dir(), "a remote relative to the checkout is that of the worktree too"

    change(project, "cohort.patients=25", "publication.webhook=http://127.0.0.1:9")
    said(project, "git", "tag", "ecg@v0.0.9")
    status, told = sediff(project, "refresh")
    assert (status, served(project)) == (0, "ecg@v0.0.1"), told
    assert "publication.webhook did not take the verdict: Connection refused" in told
    outcomes = [json.loads(line)["outcome"] for line in (project / ".sediff/refreshes.jsonl").read_text().splitlines()]
    assert outcomes == ["published", "nothing new", "published", "gates failed", "drifted", "nothing new"]
    heard = [(body["outcome"], (body["report"] or {}).get("html")) for body in receiver.bodies]
    passed = "<p>All gates passed</p>"
    assert heard == [
        ("nothing new", None),
        ("published", passed),
        ("gates failed", "<p>Gates failed</p>"),
        ("drifted", None),
    ]


def test_a_remote_that_is_down_publishes_nothing_and_the_next_night_goes_on(project, tmp_path):
    (tmp_path / "store").write_text("no folder")
    status, told = sediff(project, "refresh")
    assert (status, served(project)) == (1, ""), told
    assert "published" not in said(project, "git", "ls-remote", "origin")
    (tmp_path / "store").unlink()
    status, told = sediff(project, "refresh")
    assert (status, served(project)) == (0, "ecg@v0.0.1"), told
    assert len(list((project / ".sediff/published/runs/diffusion").glob("*/*.json"))) == 1, "it trained once"


def test_a_pointer_that_did_not_arrive_is_sent_again_and_another_machine_goes_on(project, tmp_path):
    hook = tmp_path / "remote.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\n! grep -q '#current#'\n")
    hook.chmod(0o755)
    assert sediff(project, "refresh")[0] == 1
    hook.unlink()
    status, told = sediff(project, "refresh")
    assert (status, "nothing has changed" in told) == (0, True), told
    assert "ecg#current#1" in said(project, "git", "ls-remote", "origin")

    (project / "left-over.txt").write_text("of a branch that somebody had checked out")
    change(project)
    assert sediff(project, "refresh")[0] == 0
    said(project, "git", "reset", "-q", "--hard", "HEAD~1")
    said(project, "git", "push", "-q", "origin", "main")

    said(tmp_path, "git", "clone", "-q", "-b", "main", "remote.git", "another")
    another = tmp_path / "another"
    change(another, "cohort.patients=25", "publication.drift.records=10.0")
    status, told = sediff(another, "refresh")
    assert (status, served(another)) == (0, "ecg@v0.0.2"), told
    assert not (another / ".sediff/published/left-over.txt").exists()
    said(another, "git", "push", "-q", "origin", "main")
    said(project, "git", "pull", "-q", "origin", "main")
    status, told = sediff(project, "refresh")
    assert (status, served(project)) == (0, "ecg@v0.0.2"), told


def test_a_second_refresh_is_refused(project):
    with only_refresh(project):
        status, told = sediff(project, "refresh")
    assert (status, "Another refresh is going on here: wait for it or end it." in told) == (1, True), told


def test_without_remotes_of_its_own_it_is_published_here_and_that_is_said(project, tmp_path):
    """DVC's is then the folder that the repository names, in the checkout and not in the refresh's worktree."""
    said(project, "git", "remote", "remove", "origin")
    said(project, sys.executable, "-m", "dvc", "remote", "remove", "-q", "store")
    said(project, sys.executable, "-m", "dvc", "remote", "default", "-q", "folder")
    change(project)
    status, told = sediff(project, "health")
    assert (status, "no refresh has succeeded here yet" in told) == (1, True)
    status, told = sediff(project, "refresh")
    assert (status, served(project)) == (0, "ecg@v0.0.1"), told
    assert "git has no remote: the version is published on this machine only" in told
    assert wrong(project / ".dvc/store") == []
    shutil.rmtree(project / ".dvc/cache")
    assert sediff(project, "pull", "ecg", str(tmp_path / "there"))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pull", "ecg@v9.9.9", "there"), "There is no version ecg@v9.9.9: there are none yet"),
        (("rollback", "ecg"), "There is no version ecg"),
        (("serve", "--cron", "at night"), "is no schedule"),
    ],
)
def test_mistakes_are_one_sentence(project, arguments, message):
    status, told = sediff(project, *arguments)
    assert (status, message in told) == (1, True), told


@contextmanager
def scheduled(project: Path, *arguments: str) -> Iterator[Iterator[str]]:
    """The lines of a `sediff serve`, which ends with the block, or after three minutes."""
    command = [sys.executable, "-c", MAIN, "serve", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    with subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True) as process:
        end = Timer(180, process.terminate)
        end.start()
        try:
            assert process.stderr is not None
            yield iter(process.stderr.readline, "")
        finally:
            end.cancel()
            process.terminate()


@pytest.mark.slow  # the minutes that a schedule has
def test_a_schedule_refreshes_when_it_is_due_and_again(first_version, tmp_path):
    """A night that fails is followed by the next, which finds nothing new."""
    project = copied(first_version.checkout, tmp_path)
    excluded = project / "knowledge/exclusions.yaml"
    committed = excluded.read_text()
    excluded.write_text(f"{committed}# by hand\n")
    with scheduled(project, "--cron", "* * * * *") as lines:
        assert any(line.startswith("refresh: failed: knowledge/exclusions.yaml is not committed") for line in lines)
        excluded.write_text(committed)
        assert any(line.startswith("refresh: nothing new") for line in lines)
    failed, quiet = map(json.loads, (project / ".sediff/refreshes.jsonl").read_text().splitlines()[-2:])
    assert (failed["outcome"], quiet["outcome"]) == ("failed", "nothing new")
    times = [datetime.fromisoformat(night["ended"]) for night in (failed, quiet)]
    assert all(time.second < 2 * QUIET for time in times), "just after a full minute"


def test_probes_hear_whether_refreshes_go_well(project):
    """`sediff serve` with a schedule that is never due: nothing has succeeded yet, then something has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with scheduled(project, "--cron", "0 0 29 2 *", "--port", str(port)) as lines:
        assert any("refreshing by" in line for line in lines)
        assert probe(port) == (503, False)
        note(project, entry_of("published", "by hand", "ecg@v0.0.1"))
        assert probe(port) == (200, True)


def probe(port: int) -> tuple[int, bool]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return answer.status, json.load(answer)["healthy"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["healthy"]
