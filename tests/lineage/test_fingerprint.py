from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.lineage.fingerprint import content_hash, origin_of
from sediff.lineage.graph import read_graph

DEVICE = {"device": "CPU", "torch": "1", "threads": "2"}
GRAPH = """
stages:
  first:
    cmd: "true"
    deps: [raw, sediff/first, constraints.txt]
    params: [first, shared]
    outs: [data/first]
  second:
    foreach: [a, b]
    do:
      cmd: "true"
      deps: [data/first, sediff/second.py]
      params: ["second.${item}"]
      outs: ["data/second/${item}"]
  third:
    foreach: {c: third.c, d: shared}
    do:
      cmd: "true ${key}"
      deps: [data/first]
      params: ["third.${key}", "${item}"]
      outs: ["data/third/${key}"]
"""
PARAMS = "first: {x: 1}\nshared: {seed: 0}\nsecond: {a: 1, b: 2}\nthird: {c: 1, d: 2}\nruntime: {workers: 2}\n"
LOCK = "stages:\n  first:\n    outs:\n    - {path: data/first, md5: abc.dir}\n"


@pytest.fixture
def project(tmp_path) -> Path:
    for name, text in {
        "dvc.yaml": GRAPH,
        "params.yaml": PARAMS,
        "dvc.lock": LOCK,
        "constraints.txt": "torch==1\n",
        "raw/table.csv": "1\n",
        "sediff/first/code.py": "x = 1\n",
        "sediff/second.py": "y = 1\n",
        "data/first/out.txt": "made\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def fingerprint(project: Path, stage: str = "first", device: dict[str, str] = DEVICE) -> str:
    return origin_of(project, stage, device).fingerprint


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("params.yaml", PARAMS.replace("x: 1", "x: 2")),
        ("params.yaml", PARAMS.replace("seed: 0", "seed: 1")),
        ("raw/table.csv", "2\n"),
        ("raw/more.csv", "1\n"),
        ("sediff/first/code.py", "x = 2\n"),
        ("constraints.txt", "torch==2\n"),
    ],
)
def test_what_changes_the_bytes_changes_the_fingerprint(project, path, text):
    before = fingerprint(project)
    (project / path).write_text(text)
    assert fingerprint(project) != before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("params.yaml", PARAMS.replace("workers: 2", "workers: 8")),
        ("params.yaml", PARAMS.replace("a: 1", "a: 5")),
        ("sediff/second.py", "y = 2\n"),
        ("sediff/first/__pycache__/code.pyc", "compiled"),
    ],
)
def test_what_does_not_change_them_does_not(project, path, text):
    before = fingerprint(project)
    (project / path).parent.mkdir(exist_ok=True)
    (project / path).write_text(text)
    assert fingerprint(project) == before


def test_the_device_is_part_of_it(project):
    assert fingerprint(project) != fingerprint(project, device={**DEVICE, "device": "GPU"})


def test_items_of_a_stage_have_their_own(project):
    assert fingerprint(project, "second@a") != fingerprint(project, "second@b")
    assert origin_of(project, "second@a", {}).parameters == {"second.a": 1}


def test_an_upstream_out_counts_by_the_hash_that_dvc_recorded(project):
    assert origin_of(project, "second@a", {}).inputs == {"data/first": "abc.dir"}
    before = fingerprint(project, "second@a")
    (project / "dvc.lock").write_text(LOCK.replace("abc", "def"))
    assert fingerprint(project, "second@a") != before


def test_without_a_lock_the_content_counts(project):
    (project / "dvc.lock").unlink()
    assert origin_of(project, "second@a", {}).inputs == {"data/first": content_hash(project / "data/first")}


def test_unknown_stage_and_missing_input_are_sentences(project):
    with pytest.raises(UserError, match="no stage third: the stages are first, second@a, second@b"):
        fingerprint(project, "third")
    (project / "raw/table.csv").unlink()
    (project / "raw").rmdir()
    with pytest.raises(UserError, match="raw, an input of first, is missing"):
        fingerprint(project)


def test_a_stage_of_keys_and_values_depends_on_both(project):
    graph = read_graph(project)
    assert graph["third@d"].params == ("third.d", "shared")
    assert graph["third@d"].outs == ("data/third/d",)
    before = {stage: fingerprint(project, stage) for stage in ("third@c", "third@d")}
    (project / "params.yaml").write_text(PARAMS.replace("seed: 0", "seed: 1"))
    assert fingerprint(project, "third@c") == before["third@c"]
    assert fingerprint(project, "third@d") != before["third@d"]
