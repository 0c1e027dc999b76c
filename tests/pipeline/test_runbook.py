"""The pages of docs/: they build, and the commands of their shell blocks do what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.corpus.raw import ecg, write_challenge
from tests.pipeline import nightly
from tests.pipeline.clone import MAIN, ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VERSIONS = DOCS / "runbook/versions.md"  # on a tiny project: a whole refresh takes as long as a run
PAGES = sorted({path for path in DOCS.rglob("*.md") if BLOCK.search(path.read_text(encoding="utf-8"))} - {VERSIONS})


@pytest.fixture
def clone(project, tmp_path) -> Path:
    """A copy of the clone that ran."""
    folder = tmp_path / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    (folder / "out").mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A folder of a hundred people's recordings, as many as the stages after the corpus ask for."""
    folder = tmp_path_factory.mktemp("raw")
    for seed in range(100):
        comments = ("# Age: 60", "# Sex: Female", "# Dx: 426783006")
        write_challenge(folder / f"HR{seed:05d}", ecg(seed=seed), 500, comments)
    return folder


def run_page(page: Path, folder: Path, **variables: str) -> str:
    """Run a page's blocks in a folder, beside which are `sediff` and `make`, which says what it would do."""
    programs = folder.parent / "bin"
    programs.mkdir()
    for name, script in {"sediff": f'{sys.executable} -c "{MAIN}"', "make": f"{shutil.which('make')} -n"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {script} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment["PATH"] = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = ""
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder, env=environment | variables, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, block + result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        said += result.stdout + result.stderr
    return said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run_one_after_the_other(page, clone, corpus):
    records = pl.read_parquet(clone / "data/corpus/records/*.parquet", columns=["record_id", "patient_id"])
    run_page(
        page,
        clone,
        CORPUS=str(corpus),
        REMOTE=str(clone.parent / "remote"),
        RECORD=str(records["record_id"].min()),
        PATIENT=str(records["patient_id"].min()),
    )


def test_a_version_is_pulled_served_again_and_old_ones_let_go(first_version, tmp_path):
    """What the page's refresh says that publishes something, tests of refreshes look at."""
    project = nightly.copied(first_version.checkout, tmp_path)
    said = run_page(VERSIONS, project, VERSION="ecg@v0.0.1")
    for told in (
        "nothing has changed; nothing ran",
        "ecg@v0.0.1 is in out/dataset",
        "kept: ecg@v0.0.1",
        "removed",
    ):
        assert told in said
    assert (project / "out/dataset/rows.txt").exists()


def test_the_pages_build(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "site/runbook/first-run.html").read_text(encoding="utf-8")
    assert "sediff plan" in page
    assert not re.search(r'(src|<link[^>]* href)="https?://', page), "it opens without a network"
