"""The command line as a user meets it: sentences, exit status, no tracebacks."""

import fcntl
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from sediff.cli import app
from sediff.configure import AUTO, PROFILES, _flat
from sediff.errors import UserError
from sediff.params import set_params

ROOT = Path(__file__).parents[1]
MAIN = "from sediff.cli import main; main()"


@pytest.fixture
def project(tmp_path) -> Path:
    for name in ("params.yaml", "dvc.yaml", "constraints.txt", "start.json"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("knowledge", "sediff", "flows"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "store"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def sediff(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], cwd=project, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--set", "diffusion.stepz=5"), "there is no parameter diffusion.stepz; did you mean steps?"),
        (("run", "--set", "diffusion.steps=many"), "diffusion.steps is 'many', but"),
        (("run", "nonsense"), "There is no stage nonsense: the stages are"),
        (("configure", "--corpus", "/does/not/exist"), "/does/not/exist is no folder"),
        (("configure", "--corpus", "."), "holds no corpus that a reader knows"),
        (("configure", "--profile", "smoke", "--sharing", "restricted"), "give --corpus PATH too"),
        (
            ("configure", "--profile", "huge"),
            "There is no profile huge: there are cluster, gpu, laptop, smoke, workstation.",
        ),
        (("configure",), "Say what to configure"),
        (("fetch", "mitdb", "mine"), "There is no corpus mitdb to fetch: there are ptb-xl, ludb, mimic-iv-ecg."),
        (("generate", "atrial fibrillation"), "is missing: run `make run` once"),
        (("generate", "atrial fibrillation", "--sex", "x"), "--sex x: write F or M."),
        (("generate", "  "), "The text is empty"),
        (("studio",), "is missing: run `make run` once"),
        (("export", "data/none", "--format", "wfdb", "--out", "o"), "data/none is no folder"),
        (("export", "knowledge", "--format", "edf", "--out", "o"), "There is no format edf: there are wfdb, dicom"),
        (
            ("export", "knowledge", "--format", "wfdb", "--out", "o", "--first", "1", "--index", "0"),
            "--first and --index go apart",
        ),
        (("trace", "virtual/0123456789abcdef"), "is no pseudonym of a restricted source (none)"),
        (("corpus", "show"), "is missing: run `sediff run corpus` first"),
        (("configure", "--corpus", "knowledge", "--name", "virtual"), "holds no corpus that a reader knows"),
        (("configure", "--corpus", "virtual", "--sharing", "all"), "--sharing all: write open or restricted."),
    ],
)
def test_mistakes_are_one_sentence(project, arguments, sentence):
    before = (project / "params.yaml").read_bytes()
    result = sediff(project, *arguments)
    assert result.returncode == 1
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith("sediff: error: ")
    assert sentence in error
    assert "Traceback" not in result.stderr
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("verb", ["generate text", "synthesize request.yaml --out out", "simulate"])
def test_a_seed_that_no_column_holds_is_refused(verb):
    result = CliRunner().invoke(app, [*verb.split(), "--seed", str(2**63)])
    said = " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == 2 and f"less than or equal to {2**63 - 1}" in said


NUMBERS = {"--age": (0, 120), "--heart-rate": (20, 300)}
MORE = {"--axis": (-180, 180), "--pr": (80, 400), "--qrs": (50, 250), "--qt": (200, 700)}


@pytest.mark.parametrize(("verb", "options"), [("generate", NUMBERS | MORE), ("knowledge ask", NUMBERS)])
def test_a_number_that_nobody_has_is_refused_in_one_sentence(verb, options):
    for option, (low, high) in options.items():
        for value in ("nan", "inf", "-inf", str(low - 3), str(high + 280)):
            result = CliRunner().invoke(app, [*verb.split(), "text", option, value])
            assert isinstance(result.exception, UserError), result.output
            assert str(result.exception) == f"{option} {value}: write a number from {low} to {high}."
        assert f"{low}..{high}" in CliRunner().invoke(app, [*verb.split(), "--help"]).output


def test_help_names_the_verbs_and_is_quick(project):
    started = time.monotonic()
    result = sediff(project, "--help")
    assert time.monotonic() - started < 10, "heavy modules are imported before they are needed"
    verbs = "run plan fetch configure generate export studio doctor scan trace pin-judges"
    for verb in verbs.split():
        assert verb in result.stdout


def test_doctor_says_how_to_mend(project):
    result = sediff(project, "doctor")
    assert result.returncode == 0
    for subject in ("corpus", "GPU", "Prefect server", "Chroma", "LLM", "pseudonym key", "DVC remote", "disk"):
        assert subject in result.stdout
    assert "dvc remote add" in result.stdout
    assert len(result.stdout.splitlines()) < 24


def test_all_profiles_set_the_same_keys():
    keys = {path.stem: set(_flat(yaml.safe_load(path.read_text()))) for path in PROFILES.glob("*.yaml")}
    assert len(keys) >= 3
    assert all(own == keys["laptop"] for own in keys.values()), "or a change of profile would leave some behind"


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_every_profile_is_valid(profile, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text())
    values = _flat(yaml.safe_load((PROFILES / f"{profile}.yaml").read_text()))
    set_params(params, [f"{key}={64 if value == AUTO else value}" for key, value in values.items()])


def test_a_batch_that_is_measured_is_written_down_and_no_edit(project):
    """Where torch sees no GPU it is the smallest; that of another machine is in no profile."""
    set_params(project / "params.yaml", ["synthesis.sampler.batch_size=1024"])
    result = sediff(project, "configure", "--profile", "gpu")
    assert result.returncode == 0, result.stderr
    assert torch.cuda.is_available() or "synthesis.sampler.batch_size: 1024 → 64" in result.stdout


def test_a_profile_shows_its_changes_and_respects_edits(project):
    result = sediff(project, "configure", "--profile", "smoke")
    assert "cohort.patients: 1800 → 120" in result.stdout
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("patients: 120", "patients: 99"))
    refused = sediff(project, "configure", "--profile", "laptop")
    assert refused.returncode == 1
    assert "cohort.patients was edited: use --force" in refused.stderr
    assert sediff(project, "configure", "--profile", "laptop", "--force").returncode == 0
    assert "patients: 1800" in (project / "params.yaml").read_text()


def test_plan_says_what_would_run_and_why(project):
    sediff(project, "configure", "--profile", "smoke")
    result = sediff(project, "plan")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "corpus" in lines[0]
    assert "would run (never ran here)" in lines[0]
    assert "expected from past runs" in lines[-1]


def test_a_missing_source_folder_is_a_sentence(project, cohort):
    copy = Path(shutil.copytree(cohort, project / "mine"))
    assert sediff(project, "configure", "--corpus", str(copy)).returncode == 0
    assert "/mine" not in (project / "params.yaml").read_text(), "no path of a machine in params.yaml"
    shutil.rmtree(copy)
    result = sediff(project, "run")
    assert result.returncode == 1
    assert "the folder of source ptb-xl, is missing" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_refused_run_changes_no_parameter(project):
    (project / ".sediff").mkdir(exist_ok=True)
    before = (project / "params.yaml").read_bytes()
    with (project / ".sediff/run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = sediff(project, "run", "--set", "diffusion.steps=7")
    assert result.returncode == 1
    assert "Another `sediff run` is going on" in result.stderr
    assert (project / "params.yaml").read_bytes() == before


def test_a_missing_graph_is_told(project):
    (project / "dvc.yaml").unlink()
    for verb in ("run", "plan"):
        result = sediff(project, verb)
        assert result.returncode == 1
        assert "dvc.yaml is missing" in result.stderr
