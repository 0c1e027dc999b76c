"""What is told of the environment that results were made in."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from sediff.files import write_json
from sediff.lineage.audit import audit
from sediff.lineage.environment import NUMERIC, environment, in_short, installed, pins, unlike_pins, what_differs
from sediff.lineage.prov_document import prov_json
from sediff.lineage.tree import tree_lines

ROOT, NUMPY = Path(__file__).parents[2], version("numpy")


def test_pins_are_read_as_pip_does(tmp_path):
    assert pins(tmp_path) is None
    (tmp_path / "constraints.txt").write_text("# pins\nZope.Interface_x==1.2  # why\n\ntorch==2.13.0\n")
    assert pins(tmp_path) == {"zope-interface-x": "1.2", "torch": "2.13.0"}


def test_a_version_that_is_not_the_pinned_one_is_named(tmp_path):
    (tmp_path / "constraints.txt").write_text(f"numpy==0.1\nscipy=={version('scipy')}\nno-such-package==1\n")
    assert environment(tmp_path)["differs"] == {"numpy": {"installed": NUMPY, "pinned": "0.1"}}
    assert f"(numpy {NUMPY}, not 0.1)" in what_differs(tmp_path) and "pip install -c" in what_differs(tmp_path)
    (tmp_path / "constraints.txt").write_text(f"NumPy=={NUMPY}\ntorch=={torch.__version__.partition('+')[0]}\n")
    assert environment(tmp_path)["differs"] == {}, "a build for one kind of device, 2.13.0+cpu, is what was asked for"
    assert what_differs(tmp_path) == "" and unlike_pins(tmp_path) == {}
    (tmp_path / "constraints.txt").write_text("".join(f"{name}==0\n" for name in list(installed())[:8]))
    assert "; and 3 more" in what_differs(tmp_path)
    (tmp_path / "constraints.txt").write_text("dvc==0\nnumpy==0.1\n")
    assert unlike_pins(tmp_path) == {"numpy": NUMPY}, "no byte depends on DVC's version"


def test_all_that_bytes_depend_on_is_pinned_and_installed():
    assert set(NUMERIC) <= pins(ROOT).keys() & installed().keys()


def test_settings_of_a_computation_are_those_of_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        for threads, exact in ((1, True), (2, False)):
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(exact)
            found = environment(tmp_path, torch.device("cpu"))
            assert (found["computing"]["threads"], found["computing"]["deterministic_algorithms"]) == (threads, exact)
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
    assert found["variables"]["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert found["computing"]["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert found["cpu"]["count"] >= 1 and found["computing"]["torch"] == torch.__version__
    assert found["distributions"]["torch"] == version("torch")
    assert "computing" not in environment(tmp_path), "a stage that computes nothing waits for no torch"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_described(tmp_path):
    found = environment(tmp_path, torch.device("cuda", 0))["computing"]["gpu"]
    assert found["name"] == torch.cuda.get_device_name(0) and found["cuda"] == torch.version.cuda
    assert re.fullmatch(r"\d+\.\d+", found["capability"]) and re.fullmatch(r"\d+(\.\d+)+", found["driver"])


def test_an_audit_tells_the_environment_of_each_run(tree):
    assert "environment" not in audit(tree, "dataset/000000").nodes["stage:diffusion"].facts["runs"][0], "an older run"
    (tree / "constraints.txt").write_text("numpy==0.1\n")
    (run,) = (tree / "runs/diffusion").glob("*/0001.json")
    made_in = environment(tree, torch.device("cpu"))
    write_json(run.with_suffix("") / "environment.json", made_in)
    lineage = audit(tree, "dataset/000000")
    told = lineage.nodes["stage:diffusion"].facts["runs"][0]["environment"]
    assert told == in_short(made_in)
    assert told["torch"] == torch.__version__ and told["distributions"] == len(installed())
    other = f"numpy {NUMPY}, not 0.1"
    assert told["other than in constraints.txt"] == other
    for text in ("\n".join(tree_lines(lineage)), json.dumps(lineage.as_json()), prov_json(lineage)):
        assert other in " ".join(text.split())
