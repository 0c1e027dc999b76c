"""Refreshes that are killed, `kill -9`, at random points and go on: what comes out is what an undisturbed one gives."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import Published, change, copied, make, said

OWN = Path(".sediff")
PUBLISHED = OWN / "published"
TRAINING = PUBLISHED.joinpath(".sediff", "work", "diffusion")  # in progress
PROMPTLY = 15.0  # s that a child may take to follow its parent on a busy machine
MORE = ("cohort.patients=25", "publication.drift.records=10.0")
ELSEWHERE = "receive-pack"  # of git's remote, on this machine in tests alone


def start(project: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "refresh"], cwd=project, env=environment,
        stdout=subprocess.DEVNULL, stderr=(project.parent / "told").open("ab"),
    )  # fmt: skip


def working(project: Path) -> list[psutil.Process]:
    """Processes that work in a project's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(project.parent):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill(refresh: subprocess.Popen[bytes], everything: bool) -> None:
    """End a refresh, and all that it started or only itself, as the kernel does; nothing outlives it."""
    children = psutil.Process(refresh.pid).children(recursive=True) if everything else []
    refresh.kill()
    for child in children:
        try:
            if ELSEWHERE not in " ".join(child.cmdline()):
                child.kill()
        except psutil.NoSuchProcess:
            continue
    refresh.wait()


def settled(project: Path) -> list[str]:
    """What still works in a project's folder, after what was on its way out is gone."""
    deadline = time.monotonic() + PROMPTLY
    while (left := working(project)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [" ".join(process.cmdline()) for process in left]


def outs(text: str) -> dict[str, str]:
    lock = yaml.safe_load(text) or {"stages": {}}
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def files(project: Path) -> dict[str, bytes]:
    """Every file of every out."""
    folder = project / PUBLISHED
    roots = [folder / path for path in outs((folder / "dvc.lock").read_text())]
    paths = {path for root in roots for path in (root, *root.rglob("*")) if path.is_file()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def served(project: Path) -> str:
    """What git's remote says is served, all of whose data DVC's remote has; "" for nothing yet."""
    remote = project.parent / "remote.git"
    moves = said(remote, "git", "tag", "--list", "ecg#current#*", "--sort=version:refname").split()
    if not moves:
        return ""
    lock = said(remote, "git", "show", f"{moves[-1]}:dvc.lock")
    for md5 in outs(lock).values():
        assert (project.parent / "store/files/md5" / md5[:2] / md5[2:]).is_file(), "what is served is whole"
    return lock


def check(project: Path, undisturbed: Path) -> None:
    """A refresh that ended well leaves what an undisturbed one does, and nothing that the next stumbles over."""
    assert files(project) == files(undisturbed)
    assert outs(served(project)) == outs(served(undisturbed))
    assert list((project / ".git").rglob("*.lock")) == []
    assert settled(project) == []
    result = command(project, sys.executable, "-c", MAIN, "refresh")
    assert (result.returncode, "nothing has changed; nothing ran" in result.stderr) == (0, True), result.stderr


@pytest.fixture(scope="module")
def undisturbed(first_version, tmp_path_factory) -> Published:
    """A project whose first version is published, and how many seconds that took; Prefect's database was there."""
    project = copied(first_version.checkout, tmp_path_factory.mktemp("undisturbed"))
    return Published(project, first_version.seconds)


@pytest.fixture(params=[3, pytest.param(13, marks=pytest.mark.slow)])
def kills(request) -> int:
    """How often; of two tests."""
    return request.param


@pytest.fixture(scope="module")
def second(first_version, tmp_path_factory) -> Published:
    """A project whose second version is published too."""
    project = grown(first_version.checkout, tmp_path_factory.mktemp("second"))
    started = time.monotonic()
    said(project, sys.executable, "-c", MAIN, "refresh")
    return Published(project, time.monotonic() - started)


def grown(published: Path, folder: Path) -> Path:
    """A copy of a published project whose corpus has more patients now; gives the checkout."""
    project = copied(published, folder)
    change(project, *MORE)
    return project


def test_a_first_refresh_that_is_killed_again_and_again_gives_the_same_bytes(undisturbed, tmp_path, kills):
    disturb(undisturbed, lambda folder: make(folder, like=undisturbed.checkout), tmp_path, kills)


def test_a_second_refresh_that_is_killed_again_and_again_gives_the_same_bytes(first_version, second, tmp_path, kills):
    """And meanwhile the first version is served."""
    disturb(second, lambda folder: grown(first_version.checkout, folder), tmp_path, kills)


def disturb(undisturbed: Published, new: Callable[[Path], Path], folder: Path, kills: int) -> None:
    """Kill a refresh until it comes through, in one new project after the other until there were as many kills."""
    wanted, duration = undisturbed
    draw = random.Random(kills)
    number = 0
    while kills:
        project = new(folder / str(number := number + 1))
        before = served(project)
        while True:
            refresh = start(project)
            try:
                assert refresh.wait(draw.uniform(0, duration) if kills else None) == 0, told(project)
                break
            except subprocess.TimeoutExpired:
                kill(refresh, everything=draw.random() < 0.5)
                kills -= 1
            assert settled(project) == []
            assert outs(served(project)) in (outs(before), outs(served(wanted)))
        check(project, wanted)


def told(project: Path) -> str:
    return (project.parent / "told").read_text()


def wait_for(refresh: subprocess.Popen[bytes], project: Path, pattern: str) -> None:
    """Until a refresh trains and has left something there."""
    while not list((project / TRAINING).glob(pattern)):
        assert refresh.poll() is None, told(project)
        time.sleep(0.05)


@pytest.mark.slow  # two refreshes, and Prefect asks again for minutes
def test_a_server_that_is_gone_in_mid_flow_publishes_nothing_and_the_next_refresh_goes_on(undisturbed, tmp_path):
    project = make(tmp_path)
    refresh = start(project)
    wait_for(refresh, project, "*/begun")
    (server,) = (one for one in psutil.Process(refresh.pid).children() if "prefect" in one.cmdline())
    server.kill()
    assert refresh.wait(900) == 1
    assert "Traceback" not in told(project), told(project)
    assert "refresh: failed: " in told(project)
    assert (served(project), settled(project)) == ("", [])
    said(project, sys.executable, "-c", MAIN, "refresh")
    check(project, undisturbed[0])


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec -= 86400;
    return status;
}
"""


@pytest.mark.slow  # two refreshes
def test_a_clock_that_goes_back_a_day_changes_nothing(tmp_path, monkeypatch):
    """What a library that is preloaded tells every process of a second night."""
    project = make(tmp_path)
    said(project, sys.executable, "-c", MAIN, "refresh")
    change(project, *MORE)
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "clock.so", tmp_path / "clock.c", "-ldl"], check=True)
    with monkeypatch.context() as back:
        back.setenv("LD_PRELOAD", str(tmp_path / "clock.so"))
        said(project, sys.executable, "-c", MAIN, "refresh")
        assert "nothing has changed" in command(project, sys.executable, "-c", MAIN, "refresh").stderr
        assert "ecg@v0.0.2" in said(project, sys.executable, "-c", MAIN, "health")
    ended = [json.loads(line)["ended"] for line in (project / OWN / "refreshes.jsonl").read_text().splitlines()]
    assert ended[1] < ended[0], "the clock did go back"
    assert not list((project / TRAINING).glob("*")), "what has ended needs no checkpoint"
    versions = said(project, sys.executable, "-c", MAIN, "versions").splitlines()
    assert [line.split()[0] for line in versions if line.endswith("(served)")] == ["ecg@v0.0.2"]
    said(project, sys.executable, "-c", MAIN, "verify", "ecg@v0.0.2")
