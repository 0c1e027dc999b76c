"""Names as keys of metrics.json, and how DVC reads them and what is null."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sediff.evaluation.keys import keys_of, with_keys
from sediff.report.gates import metric_at
from sediff.report.measured import measured, named

DEVICES = ("AT-6 C 5.5", "AT-6 C 5 5", "AT_6_C_5_5", "CS-12", "Größe 1")


def test_a_key_has_letters_digits_and_underscores_and_no_two_names_share_one():
    keys = keys_of(DEVICES)
    assert keys["AT_6_C_5_5"] == "AT_6_C_5_5", "a name that is a key keeps it"
    assert (keys["AT-6 C 5 5"], keys["AT-6 C 5.5"]) == ("AT_6_C_5_5_2", "AT_6_C_5_5_3")
    assert (keys["CS-12"], keys["Größe 1"]) == ("CS_12", "Gr_e_1")
    assert keys_of(reversed(DEVICES)) == keys
    assert keys_of(("a_b_2", "a b", "a.b", "a_b")) == {"a_b": "a_b", "a_b_2": "a_b_2", "a b": "a_b_3", "a.b": "a_b_4"}


def test_the_report_finds_the_names_again():
    found = {"slices": {"device": {name: {"mae_bpm": 1.0} for name in DEVICES}}, "counts": {"LAO/LAE": 3}}
    metrics, names = with_keys(found)
    assert metrics["counts"] == {"LAO_LAE": 3} and names["LAO_LAE"] == "LAO/LAE"
    assert "AT_6_C_5_5" not in names
    assert named({**metrics, "names": names}) == found


def test_what_was_left_out_is_not_there_for_a_page():
    assert measured({"a": None, "b": {"c": None, "d": 0, "e": {}}, "f": [None]}) == {
        "b": {"d": 0, "e": {}},
        "f": [None],
    }


@pytest.mark.slow
def test_dvc_compares_figures_of_devices_and_has_none_for_what_is_null(tmp_path):
    """Of one run to the next: a figure that is told in both, and one that became null."""

    def write(mae: float, kid: float | None) -> dict:
        metrics, names = with_keys(
            {"device": {"AT-6 C 5.5": {"mae_bpm": {"value": mae}, "kid": kid and {"value": kid}}}}
        )
        (tmp_path / "metrics.json").write_text(json.dumps({**metrics, "names": names}))
        return metrics

    def said(*command: str) -> str:
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    said("git", "init", "-q")
    said(sys.executable, "-m", "dvc", "init", "-q")
    Path(tmp_path / "dvc.yaml").write_text("metrics: [metrics.json]\n")
    metrics = write(0.5, 0.01)
    said("git", "add", "-A")
    said("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one")
    changed = write(0.25, None)
    found = json.loads(said(sys.executable, "-m", "dvc", "metrics", "diff", "--json"))["metrics.json"]
    assert found == {
        "device.AT_6_C_5_5.mae_bpm.value": {"old": 0.5, "new": 0.25, "diff": -0.25},
        "device.AT_6_C_5_5.kid.value": {"old": 0.01, "new": None},
    }
    for key, values in found.items():
        assert (metric_at(metrics, key), metric_at(changed, key)) == (values["old"], values["new"])
