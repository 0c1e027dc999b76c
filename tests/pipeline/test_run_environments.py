"""The environment of each run of a stage, through a real graph and server."""

import getpass
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from sediff.errors import UserError
from sediff.files import read_json
from sediff.lineage.environment import installed
from sediff.lineage.project import Project
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.run import run_pipeline
from tests.pipeline import nightly
from tests.pipeline.tiny import make

RECORD_STEPS = Params.load(nightly.ROOT / PARAMS).simulator.record_steps


def environments(project: Path) -> dict[str, dict[str, Any]]:
    found = sorted((project / "runs/first").rglob("environment.json"))
    return {path.relative_to(project).as_posix(): read_json(path) for path in found}


def test_each_run_has_its_own_and_what_dvc_restores_keeps_that_of_the_run_that_made_it(tmp_path, monkeypatch, server):
    monkeypatch.chdir(make(tmp_path))
    body = (tmp_path / "first.py").read_text()
    (tmp_path / "first.py").write_text(body.replace("run(first)", "run(first, computes=True)"))
    (tmp_path / "constraints.txt").write_text("numpy==0.1\n")
    assert ran(tmp_path)
    before = environments(tmp_path)
    ((path, found),) = before.items()
    manifest = read_json(tmp_path / "data/first/manifest.json")
    fingerprint, device = manifest["fingerprint"], manifest["device"]
    assert device.pop("numpy") == version("numpy"), "what bytes depend on, and is not as pinned"
    assert {"device", "torch", "threads"} == set(device)
    assert path == f"runs/first/{fingerprint}/0001/environment.json"
    assert found["distributions"] == installed()
    assert found["differs"] == {"numpy": {"installed": version("numpy"), "pinned": "0.1"}}
    threads = yaml.safe_load((tmp_path / "params.yaml").read_text())["reproducibility"]["threads"]
    computing = found["computing"]
    assert (computing["deterministic_algorithms"], computing["threads"]) == (True, threads), "as the stage had it"
    told = (tmp_path / path).read_text()
    for private in (str(tmp_path), str(Path.home()), sys.prefix, os.uname().nodename, getpass.getuser()):
        assert f'"{private}"' not in told and (len(private) < 6 or private not in told), private
    assert "/" not in told.replace(found["cpu"]["model"], ""), "no path of any kind"

    (tmp_path / "constraints.txt").unlink()
    set_params(tmp_path / "params.yaml", ["simulator.record_steps=7"])
    assert ran(tmp_path)
    assert read_json(tmp_path / "data/first/manifest.json")["device"] == device
    set_params(tmp_path / "params.yaml", [f"simulator.record_steps={RECORD_STEPS}"])
    assert not ran(tmp_path), "DVC's cache has it"
    assert len(environments(tmp_path)) == 2 and environments(tmp_path)[path] == found
    (run,) = Project(tmp_path).runs("first", fingerprint)
    assert run["environment"] == found, "not that of the run between, which had no constraints.txt"


def ran(project: Path) -> bool:
    """Whether the first stage ran, or was up to date or restored."""
    from flows.pipeline import walk

    (result,) = walk(project, ["first"], 60)
    return result.ran


def test_a_run_says_once_what_is_not_as_pinned(tmp_path, monkeypatch, capfd):
    project = nightly.make(tmp_path)
    monkeypatch.chdir(project)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # it ends before the first stage
    for pinned, told in (("0.1", 1), (version("numpy"), 0)):
        (project / "constraints.txt").write_text(f"numpy=={pinned}\n")
        with pytest.raises(UserError, match="does not answer"):
            run_pipeline()
        said = capfd.readouterr().err
        assert said.count("is not what constraints.txt says") == told
        assert said.count(f"numpy {version('numpy')}, not 0.1") == told
