"""Whether trainings continue from a version, in a repository whose dvc.lock and cache are written here."""

import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
import yaml

from sediff.errors import UserError
from sediff.exclusions import PATIENT, RECORD, add_exclusions
from sediff.files import write_json
from sediff.lineage.ancestor import Ancestor, Weights, read_ancestor, start_of, write_ancestor
from sediff.lineage.dvc_hash import Cache, files_of, md5_files, md5_of
from sediff.lineage.graph import parameter, read_graph
from sediff.params import set_params
from sediff.publication.continuing import check_start, forget_revoked, only_grew, prepare_start, why_not
from sediff.publication.params import PublicationParams
from sediff.publication.purge import plan_purge
from sediff.publication.versions import Version, make_current, reference, register_version, revoke

STAGES = {
    "corpus": {"cmd": "c", "deps": ["data/sources", "knowledge/exclusions.yaml"], "params": ["corpus"],
               "outs": ["data/corpus"]},
    "simulator": {"cmd": "s", "deps": ["data/corpus", "sediff/simulator"], "outs": ["data/simulator"]},
    "diffusion": {"cmd": "d", "deps": ["data/corpus", "data/simulator", "start.json", "sediff/diffusion"],
                  "params": ["reproducibility", "diffusion"], "outs": ["data/diffusion"]},
    "evaluation": {"cmd": "e", "deps": ["data/diffusion", "sediff/evaluation"], "params": ["evaluation"],
                   "outs": ["data/evaluation"]},
}  # fmt: skip
PARAMS = Path(__file__).parents[2] / "params.yaml"
CONTINUES = PublicationParams(continued_steps=0.25)
RECORDS = {"shard-000": [("a/1", "a/p1", b"\0\1"), ("a/2", "a/p2", b"\0\2")], "shard-001": [("a/3", "a/p3", b"\0\3")]}


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=folder, check=True)


def write_corpus(folder: Path, records: dict[str, list[tuple[str, str, bytes]]]) -> None:
    (folder / "records").mkdir(parents=True, exist_ok=True)
    for name, rows in records.items():
        columns = ["record_id", "patient_id", "signal"]
        pl.DataFrame(rows, schema=columns, orient="row").write_parquet(folder / f"records/{name}.parquet")


def write_tree(folder: Path) -> None:
    """Everything that stages read and make."""
    write_corpus(folder / "data/corpus", RECORDS)
    for name in ("simulator", "diffusion", "evaluation"):
        (folder / "data" / name).mkdir(parents=True)
        write_json(folder / "data" / name / "manifest.json", {"fingerprint": f"of {name}"})
        (folder / "sediff" / name).mkdir(parents=True)
        (folder / "sediff" / name / "code.py").write_text(name)
    (folder / "data/diffusion/denoiser.safetensors").write_bytes(b"weights")
    (folder / "data/diffusion/curves.json").write_text("{}")
    (folder / "data/sources").mkdir()
    (folder / "data/sources/a.parquet").write_text("raw files")
    (folder / "knowledge").mkdir()
    (folder / "knowledge/exclusions.yaml").write_text("nobody")
    shutil.copy(PARAMS, folder)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (folder / ".gitignore").write_text("/data/\n/start/\n/.dvc/\n")
    write_ancestor(folder, None)


def record(folder: Path) -> None:
    """Write dvc.lock, and put what the stages made into DVC's cache, as DVC does."""
    cache, lock = Cache(folder), {}
    values = yaml.safe_load((folder / "params.yaml").read_text())

    def entry(name: str, keep: bool) -> dict[str, str]:
        files = files_of(folder / name)
        listing = md5_files(files)
        kept = {md5: files[path].read_bytes() for path, md5 in listing.items()}
        if list(listing) != [""]:
            entries = sorted((path, md5) for path, md5 in listing.items())
            text = "[" + ", ".join(f'{{"md5": "{md5}", "relpath": "{path}"}}' for path, md5 in entries) + "]"
            kept[md5_of(listing)] = text.encode()
        for md5, content in kept.items() if keep else ():
            cache.path(md5).parent.mkdir(parents=True, exist_ok=True)
            cache.path(md5).write_bytes(content)
        return {"path": name, "hash": "md5", "md5": md5_of(listing)}

    for name, stage in read_graph(folder).items():
        lock[name] = {
            "cmd": STAGES[name]["cmd"],
            "deps": [entry(dep, False) for dep in stage.deps],
            "params": {"params.yaml": {key: parameter(values, key) for key in stage.params}},
            "outs": [entry(out, True) for out in stage.outs],
        }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))


def publish(folder: Path) -> Version:
    record(folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "refresh")
    version = register_version(folder, "ecg", "refresh")
    make_current(folder, version)
    return version


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """A tree whose results are version ecg@v0.0.1, with a raw file and a record that came later."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(tmp_path, "init", "-q")
    (tmp_path / ".dvc").mkdir()
    write_tree(tmp_path)
    publish(tmp_path)
    add(tmp_path)
    return tmp_path


def add(folder: Path, *more: tuple[str, str, bytes]) -> None:
    (folder / "data/sources/a.parquet").write_text(f"more raw files {more}")
    write_corpus(
        folder / "data/corpus", {**RECORDS, "shard-001": [*RECORDS["shard-001"], ("a/4", "a/p4", b"4"), *more]}
    )


def served(folder: Path) -> Version:
    found = reference(folder, "ecg")
    assert found
    return found


def reason(folder: Path) -> str:
    return why_not(folder, served(folder), ["diffusion"])


def test_records_that_were_added_continue_and_the_weights_are_those_of_the_version(tree):
    assert reason(tree) == ""
    said: list[str] = []
    ancestor = prepare_start(tree, CONTINUES, said.append)
    assert said == ["trainings continue from ecg@v0.0.1, to which records were only added"]
    assert ancestor == read_ancestor(tree)
    assert (ancestor.chain, ancestor.steps, list(ancestor.stages)) == (("ecg@v0.0.1",), 0.25, ["diffusion"])
    assert ancestor.stages["diffusion"].fingerprint == "of diffusion"
    assert list(files_of(tree / "start")) == ["diffusion/denoiser.safetensors"]
    assert (start_of(tree, ancestor, "diffusion") / "denoiser.safetensors").read_bytes() == b"weights"
    tracked = yaml.safe_load((tree / "start.dvc").read_text())["outs"][0]["md5"]
    assert Cache(tree).listing(tracked) == {
        "diffusion/denoiser.safetensors": md5_of(md5_files({"": tree / "start/diffusion/denoiser.safetensors"}))
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tree: (tree / "knowledge/exclusions.yaml").write_text("somebody"), "knowledge/exclusions.yaml"),
        (lambda tree: (tree / "sediff/diffusion/code.py").write_text("other"), "sediff/diffusion"),
        (lambda tree: (tree / "sediff/simulator/code.py").write_text("other"), "sediff/simulator"),
        (lambda tree: set_params(tree / "params.yaml", ["reproducibility.seed=1"]), "reproducibility"),
        (lambda tree: set_params(tree / "params.yaml", ["corpus.shards=2"]), "corpus"),
        (lambda tree: write_deps(tree), "the list of what simulator reads"),
    ],
)
def test_anything_else_than_raw_data_that_changed_starts_from_nothing(tree, change, told):
    change(tree)
    assert reason(tree) == f"{told} is not what ecg@v0.0.1 was made with"
    said: list[str] = []
    assert prepare_start(tree, CONTINUES, said.append) is None
    assert said == [f"trainings start from nothing: {told} is not what ecg@v0.0.1 was made with"]
    assert (read_ancestor(tree), (tree / "start").exists(), (tree / "start.dvc").exists()) == (None, False, False)


@pytest.mark.parametrize(
    "change", [lambda tree: (tree / "sediff/evaluation/code.py").write_text("other"),
               lambda tree: set_params(tree / "params.yaml", ["evaluation.bootstraps=5"])],
)  # fmt: skip
def test_what_no_training_reads_may_change(tree, change):
    change(tree)
    assert reason(tree) == ""


def write_deps(tree: Path) -> None:
    simulator = {**STAGES["simulator"], "deps": ["data/corpus", "sediff/simulator", "constraints.txt"]}
    (tree / "dvc.yaml").write_text(yaml.safe_dump({"stages": {**STAGES, "simulator": simulator}}))


@pytest.mark.parametrize(
    ("shards", "grew"),
    [
        (RECORDS, True),
        ({**RECORDS, "shard-000": RECORDS["shard-000"][::-1]}, True),
        ({**RECORDS, "shard-002": [("a/0", "a/p0", b"0")]}, True),
        ({**RECORDS, "shard-000": [("a/0", "a/p0", b"0"), *RECORDS["shard-000"]]}, True),
        ({**RECORDS, "shard-000": RECORDS["shard-000"][:1]}, False),
        ({**RECORDS, "shard-000": [("a/1", "a/p1", b"\0\1"), ("a/2", "a/p2", b"\0\7")]}, False),
        ({**RECORDS, "shard-000": [("a/1", "a/p1", b"\0\1"), ("a/2", "a/p9", b"\0\2")]}, False),
        ({"shard-001": RECORDS["shard-001"]}, False),
    ],
)
def test_a_corpus_grew_where_every_record_stands_as_it_was(tmp_path, shards, grew):
    write_corpus(tmp_path / "before", RECORDS)
    write_corpus(tmp_path / "after", shards)
    assert only_grew(files_of(tmp_path / "before"), tmp_path / "after") == grew


def test_a_record_that_changed_starts_from_nothing_and_is_not_named(tree):
    write_corpus(tree / "data/corpus", {"shard-000": RECORDS["shard-000"][:1]})
    assert reason(tree) == "a record of ecg@v0.0.1 was changed or is left out"


def test_weights_that_are_nowhere_start_from_nothing(tree):
    weights = md5_files({"": tree / "data/diffusion/denoiser.safetensors"})[""]
    Cache(tree).path(weights).unlink()
    assert reason(tree) == "data/diffusion of ecg@v0.0.1 is in neither DVC's cache nor its remote"


def test_without_the_parameter_or_a_version_nothing_continues_and_nothing_is_said(tree, tmp_path):
    said: list[str] = []
    assert prepare_start(tree, PublicationParams(), said.append) is None
    assert prepare_start(tree, PublicationParams(name="other", continued_steps=0.5), said.append) is None
    assert (said, read_ancestor(tree)) == ([], None)


def second(tree: Path) -> Version:
    """A version that continues from the first."""
    prepare_start(tree, CONTINUES, print)
    return publish(tree)


def test_what_would_not_train_keeps_its_start(tree):
    version = second(tree)
    before = read_ancestor(tree)
    (tree / "sediff/evaluation/code.py").write_text("other")
    assert before is not None
    assert prepare_start(tree, CONTINUES, print) == before
    assert reference(tree, "ecg") == version
    add(tree, ("a/5", "a/p5", b"5"))
    third = prepare_start(tree, CONTINUES, print)
    assert third.chain == ("ecg@v0.0.2", "ecg@v0.0.1")


def test_what_continues_from_a_revoked_version_is_refused_and_forgotten(tree):
    second(tree)
    first = Version("ecg", "v0.0.1", "")
    check_start(tree)
    forget_revoked(tree)
    assert read_ancestor(tree).version == "ecg@v0.0.1"
    revoke(tree, first, "withdrawn")
    with pytest.raises(UserError, match=r"continue from ecg@v0\.0\.1, which is revoked"):
        check_start(tree)
    add(tree, ("a/5", "a/p5", b"5"))
    assert reason(tree) == "ecg@v0.0.1, from which ecg@v0.0.2 continues, is revoked"
    forget_revoked(tree)
    assert (read_ancestor(tree), (tree / "start").exists()) == (None, False)


def test_a_purge_takes_the_start_of_a_tree_whose_corpus_has_nobody_withdrawn_any_more(tree):
    second(tree)
    start = md5_files(files_of(tree / "start"))["diffusion/denoiser.safetensors"]
    (tree / "data/diffusion/denoiser.safetensors").write_bytes(b"weights that started from those")
    for name in ("v0.0.1", "v0.0.2"):
        revoke(tree, Version("ecg", name, ""), "withdrawn")
    (tree / "knowledge/exclusions.yaml").unlink()
    add_exclusions(tree, [(RECORD, "a/1"), (PATIENT, "a/p1")])
    write_corpus(tree / "data/corpus", {"shard-000": RECORDS["shard-000"][1:]})
    record(tree)
    plan = plan_purge(tree)
    assert tree / "start" in plan.paths
    gone = {"".join(path.rsplit("/", 2)[1:]) for path in plan.objects["cache"]}
    assert start in gone
    trained, untrained = (md5_files(files_of(tree / "data" / name)) for name in ("diffusion", "simulator"))
    assert trained["denoiser.safetensors"] in gone, "whoever was withdrawn is in what started from them"
    assert untrained["manifest.json"] not in gone


def test_weights_that_are_not_those_that_are_named_are_one_sentence(tree):
    ancestor = prepare_start(tree, CONTINUES, print)
    (tree / "start/diffusion/denoiser.safetensors").unlink()
    (tree / "start/diffusion/denoiser.safetensors").write_bytes(b"others")
    with pytest.raises(UserError, match=r"denoiser\.safetensors is missing, or not the weights of ecg@v0\.0\.1"):
        start_of(tree, ancestor, "diffusion")
    with pytest.raises(UserError, match=r"has no weights for autoencoder"):
        start_of(tree, ancestor, "autoencoder")
    (tree / "start.json").write_text('{"version": 3}')
    with pytest.raises(UserError, match=r"start\.json is malformed"):
        read_ancestor(tree)


def test_a_start_that_is_missing_is_one_sentence(tree):
    (tree / "start.json").unlink()
    with pytest.raises(UserError, match=r"start\.json is missing: restore it from git"):
        check_start(tree)


def test_the_pointer_is_read_as_it_was_written(tmp_path):
    weights = {"encoder@conditioner": Weights(fingerprint="f", files={"a.safetensors": "0"})}
    ancestor = Ancestor(version="ecg@v0.0.2", before=("ecg@v0.0.1",), steps=0.5, stages=weights)
    write_ancestor(tmp_path, ancestor)
    assert read_ancestor(tmp_path) == ancestor
    told = ancestor.told("encoder@conditioner")
    assert told == {
        "version": "ecg@v0.0.2",
        "before": ["ecg@v0.0.1"],
        "fingerprint": "f",
        "files": {"a.safetensors": "0"},
    }
