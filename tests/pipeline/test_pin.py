"""Pinning in a folder with git and DVC, as a user does it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sediff.encoder.contrast import WaveformJudge
from sediff.encoder.judge import Judge
from sediff.encoder.patients import Training
from sediff.encoder.pinned import FILES, PINNED, judges_hash, load_judges
from sediff.encoder.text_ecg import TextJudge
from sediff.errors import UserError
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.graph import order, staleness
from sediff.pipeline.pin import pin_judges
from sediff.pseudonyms import VARIABLE, keep_key, read_pseudonyms
from tests.pipeline.clone import ROOT

MADE = Path("data/encoder/judges")


@pytest.fixture
def project(tmp_path) -> Path:
    for name in ("params.yaml", "dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    write_judges(tmp_path / MADE)
    return tmp_path


def write_judges(folder: Path, seed: int = 0, patients: tuple[str, ...] = ("ptb-xl/1", "clinic/7")) -> None:
    """Small judges of random weights, as the stage leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    for judge in (Judge(["NORM"], 4), WaveformJudge(4), TextJudge(["NORM"], 4, 8, 64)):
        judge.save(folder)
    Training.of(folder, 0.5, patients).write(folder)


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
    assert load_judges(project / PINNED)
    assert Training.read(project / PINNED) == Training.read(project / MADE)


def test_others_replace_them(project, monkeypatch):
    monkeypatch.chdir(project)
    pin_judges(project, MADE)
    write_judges(project / MADE, seed=1)
    before = Params.load(project / PARAMS).encoder.judges.pinned
    pin_judges(project, MADE)
    assert Params.load(project / PARAMS).encoder.judges.pinned == judges_hash(project / PINNED) != before


def test_without_judges_it_is_one_sentence(project):
    (project / MADE / "waveform.json").unlink()
    with pytest.raises(UserError, match=r"waveform\.json is missing"):
        pin_judges(project, MADE)
    assert not (project / PINNED).exists()


def kept(project: Path) -> dict[str, bytes]:
    """All that pinning could change."""
    paths = [*(project / PINNED).glob("*"), project / "judges.dvc", project / PARAMS]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def refused(project: Path) -> str:
    before = kept(project)
    with pytest.raises(UserError) as error:
        pin_judges(project, MADE)
    assert kept(project) == before
    assert not list((project / ".sediff").glob("pin-*"))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["text.safetensors", "statement.json", "training.json"])
def test_judges_that_cannot_be_loaded_are_not_pinned(project, monkeypatch, name):
    monkeypatch.chdir(project)
    pin_judges(project, MADE)
    write_judges(project / MADE, seed=1)
    path = project / MADE / name
    path.write_bytes(path.read_bytes()[:20])
    assert str(MADE) in refused(project)


@pytest.mark.parametrize("names", [("notes.txt",), (*FILES, "training.json", "mine.csv")])
def test_a_folder_that_pinning_did_not_write_is_left_alone(project, monkeypatch, names):
    monkeypatch.chdir(project)
    (project / PINNED).mkdir()
    for name in names:
        (project / PINNED / name).write_text("mine")
    assert "move it away" in refused(project)


def test_where_dvc_cannot_add_them_the_old_ones_are_back(project, monkeypatch):
    monkeypatch.chdir(project)
    pin_judges(project, MADE)
    write_judges(project / MADE, seed=1)
    subprocess.run(["git", "add", "-f", "judges"], cwd=project, check=True)  # DVC adds nothing that git has
    assert "DVC cannot work here" in refused(project)
    subprocess.run(["git", "rm", "-rq", "--cached", "judges"], cwd=project, check=True)
    pin_judges(project, MADE)
    assert judges_hash(project / PINNED) == judges_hash(project / MADE)


def test_patients_of_restricted_sources_leave_under_pseudonyms(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.delenv(VARIABLE, raising=False)
    set_params(project / PARAMS, ["corpus.sources=[{name: clinic, reader: wfdb, sharing: restricted}]"])
    assert "names no key" in refused(project)
    identifier, _ = keep_key("")
    set_params(project / PARAMS, [f'pseudonyms.key="{identifier}"'])
    pin_judges(project, MADE)
    told = Training.read(project / PINNED)
    assert told.pseudonym_key == identifier
    assert "ptb-xl/1" in told.patients
    assert "clinic/7" not in told.patients
    assert told.seen(["clinic/7", "clinic/8"], read_pseudonyms(["clinic"], identifier)) == 1
