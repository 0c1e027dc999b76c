"""A tiny project with everything that a refresh touches: a corpus, a training, a dataset, gates, two remotes."""

import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from sediff.pipeline.server import prefect_server
from tests.pipeline.clone import MAIN, ROOT, command

STAGE = """
import json, sys, time
from pathlib import Path
import polars as pl
from flows.stage import Context, run
from sediff.files import write_json

def {name}(context: Context) -> str:
{body}
    return "made {name}"

run({name})
"""
BODIES = {
    "corpus": """
    count = len(pl.read_parquet("data/sources/virtual.parquet"))
    (context.out / "records.txt").write_text(str(count))
    metrics = {"records": count, "quarantined": 0, "statements": {"NORM": count}, "sources": {"virtual": count},
        "sites": {}}
    write_json(context.report / "metrics.json", metrics)""",
    "diffusion": """
    (context.work / "begun").write_text("")
    time.sleep(context.params.diffusion.steps / 1000)
    (context.out / "weights.txt").write_text(Path("data/corpus/records.txt").read_text() * 1000)""",
    "synthesis": """
    (context.out / "dataset").mkdir()
    (context.out / "dataset/rows.txt").write_text(Path("data/diffusion/weights.txt").read_text() + "\\n")""",
    "report": """
    passed = Path("knowledge/verdict.txt").read_text().strip() == "good"
    Path("reports/index.html").write_text("<p>All gates passed</p>" if passed else "<p>Gates failed</p>")
    write_json(context.report / "metrics.json", {"passed": passed, "failed": [] if passed else ["evaluation.fd"]})""",
}
DEPS = {
    "corpus": ["data/sources/virtual.parquet"],
    "diffusion": ["data/corpus"],
    "synthesis": ["data/diffusion"],
    "report": ["data/synthesis/dataset", "knowledge/verdict.txt"],
}
OUTS = {
    "corpus": ["data/corpus", "reports/corpus/metrics.json"],
    "diffusion": ["data/diffusion"],
    "synthesis": ["data/synthesis/manifest.json", "data/synthesis/dataset"],
    "report": ["data/report", "reports/report/metrics.json", "reports/index.html"],
}
PLACES = (
    ".git/config",
    ".git/worktrees/published/gitdir",
    ".sediff/published/.git",
    ".sediff/published/.dvc/config.local",
)  # where a checkout says where it lies


class Published(NamedTuple):
    """A checkout whose first version is published, and how many seconds its refresh took."""

    checkout: Path
    seconds: float


def make(folder: Path, like: Path | None = None) -> Path:
    """Write the project and its remotes, and commit it; gives the checkout.

    `like` is one whose Prefect database it has from the start, since making one takes seconds.
    """
    project = folder / "checkout"
    if like:
        shutil.copytree(like / ".sediff/prefect", project / ".sediff/prefect")
    (project / "knowledge").mkdir(parents=True)
    for file in (ROOT / "knowledge").glob("*.yaml"):
        shutil.copy(file, project / "knowledge")
    for name, body in BODIES.items():
        (project / f"{name}.py").write_text(STAGE.format(name=name, body=body))
    stages = {
        name: {
            "cmd": f"{sys.executable} {name}.py",
            "deps": [f"{name}.py", *DEPS[name]],
            "params": ["diffusion.steps"] if name == "diffusion" else [],
            "outs": OUTS[name],
        }
        for name in BODIES
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (project / "knowledge/verdict.txt").write_text("good")
    shutil.copy(ROOT / "params.yaml", project)
    shutil.copy(ROOT / "start.json", project)
    shutil.copy(ROOT / ".gitignore", project)
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "store"))
    said(project, "git", "init", "-q", "-b", "main")
    said(folder, "git", "init", "-q", "--bare", "remote.git")
    said(project, "git", "remote", "add", "origin", str(folder / "remote.git"))
    said(project, sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "store", "../store")
    change(project, "cohort.patients=20", "diffusion.steps=1")
    return project


def publish(folder: Path) -> None:
    """Make the project and refresh it once, on a machine whose git has no name, as servers have it.

    Prefect's database is there before, so that `seconds`, a file beside the checkout, is what a later refresh takes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        patch.delenv("PREFECT_API_URL", raising=False)  # of a server that other tests share
        project = make(folder)
        with prefect_server(project / ".sediff/prefect", 120):
            pass
        started = time.monotonic()
        said(project, sys.executable, "-c", MAIN, "refresh")
    (folder / "seconds").write_text(str(time.monotonic() - started))


def copied(project: Path, folder: Path) -> Path:
    """A copy of a published project and its remotes, which know nothing of the original; gives the checkout."""
    shutil.copytree(project.parent, folder, symlinks=True, dirs_exist_ok=True)
    for name in PLACES:
        path = folder / "checkout" / name
        path.write_text(path.read_text().replace(str(project.parent), str(folder)))
    return folder / "checkout"


def change(project: Path, *assignments: str) -> None:
    """Set parameters, and commit all that changed."""
    from sediff.params import set_params

    set_params(project / "params.yaml", assignments)
    said(project, "git", "add", "-A")
    said(
        project, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", " ".join(assignments) or "change"
    )


def said(folder: Path, *arguments: str) -> str:
    """What a command said that must succeed."""
    result = command(folder, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
