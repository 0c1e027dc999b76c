"""`sediff gate` on a working tree and on versions of a real repository, and a refresh that it keeps unpublished."""

import json
import re
import shutil
import sys
from pathlib import Path

import yaml

from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import change, copied


def sediff(project: Path, *arguments: str) -> tuple[int, str]:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


def test_a_version_is_judged_beside_the_one_that_is_served(first_version, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    project = copied(first_version.checkout, tmp_path)
    values = yaml.safe_load((project / "params.yaml").read_text())
    values["gates"] = {"corpus.records": {"min": 5, "rise": 3}}
    (project / "params.yaml").write_text(yaml.safe_dump(values))
    change(project, "publication.drift.records=10.0")
    status, told = sediff(project, "gate")
    assert (status, "reports/ holds no metrics" in told) == (1, True)
    status, told = sediff(project, "gate", "ecg@v0.0.1")
    assert status == 0
    assert "all 1 gates passed; no other version is served" in told

    change(project, "cohort.patients=40")
    status, told = sediff(project, "refresh")
    assert status == 1
    assert "It is worse than ecg@v0.0.1: corpus.records rose by" in told
    shutil.copytree(project / ".sediff/published/reports", project / "reports", dirs_exist_ok=True)
    status, told = sediff(project, "gate")
    assert status == 1
    assert "FAILED  corpus.records" in told
    assert "1 of 1 gates failed, beside ecg@v0.0.1, which is served" in told

    (project / "reports/corpus/plots").mkdir()
    status, told = sediff(project, "compare", "ecg@v0.0.1")
    assert status == 0, told
    page = (project / "reports/compare.html").read_text()
    assert "ecg@v0.0.1" in page
    assert "corpus.records" in page
    assert re.search(r"<td>\+\d+</td>", page), "there are more records"

    path = project / "reports/corpus/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"records": 2}))
    status, told = sediff(project, "gate")
    assert (status, "(at least 5 and above the served by at most 3): 3 too little" in told) == (1, True)
    status, told = sediff(project, "gate", "ecg@v9.9.9")
    assert (status, "There is no version ecg@v9.9.9: there are ecg@v0.0.1." in told) == (1, True)
