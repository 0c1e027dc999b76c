"""Pinning in a folder with git and DVC, as a user does it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sediff.encoder.pinned import FILES, PINNED, judges_hash
from sediff.errors import UserError
from sediff.params import PARAMS, Params
from sediff.pipeline.graph import order, staleness
from sediff.pipeline.pin import pin_judges
from tests.pipeline.clone import ROOT

MADE = Path("data/encoder/judges")


@pytest.fixture
def project(tmp_path) -> Path:
    for name in ("params.yaml", "dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    (tmp_path / MADE).mkdir(parents=True)
    for name in FILES:
        (tmp_path / MADE / name).write_text(name)
    return tmp_path


def untracked(project: Path) -> list[str]:
    command = ["git", "ls-files", "-o", "--exclude-standard"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout.split()


def test_the_judges_of_the_last_run_are_pinned_and_given_to_dvc(project, monkeypatch):
    monkeypatch.chdir(project)
    stages = order(project)
    lines = pin_judges(project, MADE)
    wanted = judges_hash(project / MADE)
    assert Params.load(project / PARAMS).encoder.judges.pinned == judges_hash(project / PINNED) == wanted
    assert untracked(project) == ["judges.dvc"]
    assert any("judges.dvc" in line for line in lines)
    assert order(project) == stages, "what DVC only keeps is no stage"
    assert {entry.stage for entry in staleness(project)} == set(stages)
    assert pin_judges(project, MADE) == [f"judges {wanted[:12]} are pinned already"]
    shutil.rmtree(project / PINNED)
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "-q", "judges.dvc"], cwd=project, check=True)
    assert judges_hash(project / PINNED) == wanted, "DVC brings them back"


def test_others_replace_them(project, monkeypatch):
    monkeypatch.chdir(project)
    pin_judges(project, MADE)
    (project / MADE / "text.json").write_text("another")
    before = Params.load(project / PARAMS).encoder.judges.pinned
    pin_judges(project, MADE)
    assert Params.load(project / PARAMS).encoder.judges.pinned == judges_hash(project / PINNED) != before


def test_without_judges_it_is_one_sentence(project):
    (project / MADE / "waveform.json").unlink()
    with pytest.raises(UserError, match=r"waveform\.json is missing"):
        pin_judges(project, MADE)
    assert not (project / PINNED).exists()
