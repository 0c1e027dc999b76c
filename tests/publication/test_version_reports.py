"""What a published version measured and drew, read from DVC's cache and not from the working tree."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sediff.errors import UserError
from sediff.params import Params
from sediff.publication.compare import compare
from sediff.publication.gate import gate, lines
from sediff.publication.metrics import is_restricted, read_metrics, read_pictures
from sediff.publication.versions import Version

ROOT = Path(__file__).parents[2]
AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@t")
PNG = b"\x89PNG\r\n\x1a\n"
CURVE = {"evaluation/plots/rhythm.svg": b"<svg/>"}
MAKE = """
import json, sys
from pathlib import Path
base = Path("reports/evaluation")
(base / "plots").mkdir(parents=True, exist_ok=True)
made = Path("data/evaluation")
made.mkdir(parents=True, exist_ok=True)
hashes = {"fingerprint": Path("value").read_text() * 9, "inputs": {}}
(made / "manifest.json").write_text(json.dumps({"stage": "evaluation", "parameters": {}, **hashes}))
(base / "metrics.json").write_text(json.dumps({"heart_rate": {"mae_bpm": float(Path("value").read_text())}}))
(base / "plots/rhythm.png").write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + Path("value").read_bytes())
(base / "plots/rhythm.svg").write_text("<svg/>")
"""


def command(folder: Path, *arguments: str) -> str:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path, monkeypatch) -> tuple[Path, Version]:
    """A repository with a version, whose working tree has gone on, and what it held before is in the cache alone."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "project"
    folder.mkdir()
    stage = {
        "cmd": f"{sys.executable} make.py",
        "deps": ["value"],
        "outs": ["reports/evaluation/plots", "data/evaluation"],
        "metrics": ["reports/evaluation/metrics.json"],
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"evaluation": stage}}))
    (folder / "make.py").write_text(MAKE)
    (folder / "value").write_text("2.5")
    shutil.copy(ROOT / "params.yaml", folder)
    command(folder, "git", "init", "-q")
    command(folder, sys.executable, "-m", "dvc", "init", "-q")
    command(folder, sys.executable, "-m", "dvc", "repro", "-q")
    command(folder, "git", "add", "-A")
    command(folder, "git", *AUTHOR, "commit", "-qm", "one")
    commit = command(folder, "git", "rev-parse", "HEAD")
    (folder / "value").write_text("3.25")
    command(folder, sys.executable, "make.py")
    return folder, Version("ecg", "v0.0.1", commit)


def test_a_version_and_the_working_tree_are_read_each_as_it_is(project, tmp_path):
    folder, version = project
    assert read_metrics(folder, version) == {"evaluation": {"heart_rate": {"mae_bpm": 2.5}}}
    assert read_metrics(folder) == {"evaluation": {"heart_rate": {"mae_bpm": 3.25}}}
    assert read_pictures(folder, version) == {"evaluation/plots/rhythm.png": PNG + b"2.5", **CURVE}
    assert read_pictures(folder) == {"evaluation/plots/rhythm.png": PNG + b"3.25", **CURVE}
    assert not is_restricted(folder, version)
    page = tmp_path / "page/compare.html"
    (folder / "reports/tables").mkdir()
    (folder / "reports/tables/study.md").write_text("| arm | AUROC |\n|---|---|\n| real | 0.9 |\n")
    compare(folder, Params.load(ROOT / "params.yaml"), version, None, page)
    text = page.read_text()
    assert "<td>+0.75</td>" in text
    assert f"<td>{('2.5' * 9)[:16]}</td><td>{('3.25' * 9)[:16]}</td>" in text, "the provenance of both"
    assert "real | 0.9" not in text and "<td>real</td><td>0.9</td>" in text, "the working tree's study"
    assert text.count("data:image/png") == 2
    assert "ecg@v0.0.1" in text
    assert "working tree" in text


def test_what_is_nowhere_to_be_found_is_a_sentence(project):
    folder, version = project
    shutil.rmtree(folder / ".dvc/cache")
    for read in (read_metrics, read_pictures):
        with pytest.raises(UserError, match=r"What ecg@v0\.0\.1 reports cannot be read"):
            read(folder, version)
    shutil.rmtree(folder / "reports")
    with pytest.raises(UserError, match="holds no metrics"):
        read_metrics(folder)


def test_a_version_of_a_restricted_source_stays_restricted(project):
    folder, _ = project
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["corpus"]["sources"][0]["sharing"] = "restricted"
    (folder / "params.yaml").write_text(json.dumps(params))
    command(folder, "git", *AUTHOR, "commit", "-qam", "two")
    assert is_restricted(folder, Version("ecg", "v0.0.2", command(folder, "git", "rev-parse", "HEAD")))


@pytest.mark.parametrize("written", ["dvc.lock", "manifest"])
def test_a_working_tree_is_what_it_was_made_of_and_not_what_is_configured(project, tmp_path, written):
    folder, version = project
    page, params = tmp_path / "compare.html", Params.load(ROOT / "params.yaml")
    sources = {"sources": [{"name": "clinic", "reader": "ptb-xl", "sharing": "restricted"}]}
    if written == "dvc.lock":
        lock = yaml.safe_load((folder / "dvc.lock").read_text())
        lock["stages"]["evaluation"]["params"] = {"params.yaml": {"corpus.sources": sources["sources"]}}
        (folder / "dvc.lock").write_text(yaml.safe_dump(lock))
    else:
        (folder / "data/corpus").mkdir(parents=True)
        manifest = {"stage": "corpus", "fingerprint": "c", "inputs": {}, "parameters": {"corpus": sources}}
        (folder / "data/corpus/manifest.json").write_text(json.dumps(manifest))
    assert not params.restricted and is_restricted(folder) and not is_restricted(folder, version)
    compare(folder, params, version, None, page)
    assert "data:image/png" not in page.read_text()


def test_gates_compare_with_the_last_served_version_that_is_not_revoked(project):
    folder, first = project
    command(folder, "git", *AUTHOR, "commit", "-q", "--allow-empty", "-m", "two")
    for tag, commit in (
        ("ecg@v0.0.1", first.commit),
        ("ecg#current#1", first.commit),
        ("ecg@v0.0.2", "HEAD"),
        ("ecg#current#2", "HEAD"),
        ("ecg@v0.0.2!", "HEAD"),
    ):
        command(folder, "git", *AUTHOR, "tag", "-a", tag, "-m", "x", commit)
    results, compared = gate(folder, Params.load(ROOT / "params.yaml").gates, "ecg", None)
    assert compared == first
    assert "beside ecg@v0.0.1, the last that was served and is not" in list(lines(results, compared, False))[-1]
