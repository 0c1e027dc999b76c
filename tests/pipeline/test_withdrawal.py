"""A patient is withdrawn, the next refresh leaves them out, and a purge leaves nothing of them behind."""

import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from sediff.cohort.params import CohortParams
from sediff.cohort.write import write_cohort
from sediff.errors import UserError
from sediff.exclusions import read_exclusions
from sediff.files import read_json, sha256_file
from sediff.publication.signature import public_key, signer_of, signing_key
from sediff.publication.touched import versions_with
from sediff.sources import write_local_path
from tests.pipeline.clone import MAIN, ROOT, command
from tests.pipeline.nightly import STAGE, change, make, said
from tests.pipeline.plain import contents

PATIENT = "clinic/99003"  # with two records
STAGES = {  # what learns from records here keeps their ids and signals, as no real stage does
    "knowledge": (
        ["data/corpus"],
        """
    import chromadb
    from sediff.knowledge.answers import AnswerStore, answer_key
    rows = pl.read_parquet("data/corpus/records/*.parquet").sort("record_id")
    store, keys = AnswerStore(Path(".sediff/answers")), []
    for ids in (rows["record_id"].to_list(), ["asked of nobody"]):
        answer = {"content": " ".join(ids), "refusal": None, "finish_reason": "stop", "usage": None}
        store.put({"prompt": ids}, answer)
        keys.append(answer_key({"prompt": ids}))
    store.export(keys, context.out / "answers.parquet")
    index = chromadb.PersistentClient(".sediff/chroma").get_or_create_collection("all", embedding_function=None)
    index.upsert(ids=rows["record_id"].to_list(), embeddings=[[1.0, 0.0]] * len(rows))
    print(rows["patient_id"].to_list())
    (context.out / "same.txt").write_text("the same for all " * 9)""",
    ),
    "diffusion": (
        ["data/corpus", "data/knowledge"],
        """
    rows = pl.read_parquet("data/corpus/records/*.parquet").sort("record_id")
    (context.work / "checkpoint").write_bytes(rows["signal"][0])
    (context.out / "weights.bin").write_bytes(b"".join(rows["signal"]))""",
    ),
    "synthesis": (
        ["data/diffusion"],
        """
    (context.out / "dataset").mkdir()
    (context.out / "dataset/rows.bin").write_bytes(Path("data/diffusion/weights.bin").read_bytes()[::-1])""",
    ),
}


def real_corpus(folder: Path, vocabulary, stages=STAGES, *more: str, later: int = 0) -> Path:
    """A project whose corpus stage is the real one, over raw records outside of the clone, with a version published.

    Args:
        stages: what each of the others reads, and its body.
        more: assignments of parameters.
        later: patients whose records are only in `later.csv` yet.
    """
    project = make(folder)
    graph = yaml.safe_load((project / "dvc.yaml").read_text())
    own = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["corpus"]
    read = ["data/sources", "knowledge/exclusions.yaml"]
    graph["stages"]["corpus"] = {**own, "cmd": f"{sys.executable} -m flows.corpus", "deps": read}
    for name, (deps, body) in stages.items():
        (project / f"{name}.py").write_text(STAGE.format(name=name, body=body))
        graph["stages"].setdefault(name, {"cmd": f"{sys.executable} {name}.py", "outs": [f"data/{name}"]})
        graph["stages"][name]["deps"] = [f"{name}.py", *deps]
    (project / "dvc.yaml").write_text(yaml.safe_dump(graph))
    write_cohort(CohortParams(patients=40), folder / "raw", vocabulary)
    table = folder / "raw/ptbxl_database.csv"
    number_apart(table)
    shutil.copy(table, folder / "later.csv")
    rows = pl.read_csv(table, infer_schema=False)
    last = rows["patient_id"].unique(maintain_order=True).tail(later).implode()
    rows.filter(~pl.col("patient_id").is_in(last)).write_csv(table)
    write_local_path(project / ".sediff/local.yaml", "clinic", folder / "raw")
    change(
        project,
        "corpus.sources=[{name: clinic, reader: ptb-xl, sharing: open}]",
        "corpus.shards=2",
        "runtime.workers=1",
        "encoder.judges.statement.min_cases=2",
        "publication.drift={records: 1, quarantined: 1, statements: 1, sources: 1, sites: 1}",
        *more,
    )
    said(project, sys.executable, "-c", MAIN, "refresh")
    return project


def number_apart(table: Path) -> None:
    """Give patient 3 and their records numbers that nobody else has, neither as a patient nor as a record."""
    rows = pl.read_csv(table, infer_schema=False)
    own = pl.col("patient_id").cast(pl.Float64) == 3
    apart = {
        "patient_id": pl.when(own).then(pl.lit("99003")).otherwise("patient_id"),
        "ecg_id": pl.when(own).then(pl.format("99{}", pl.col("ecg_id").str.zfill(3))).otherwise("ecg_id"),
    }
    rows.with_columns(**apart).write_csv(table)


@pytest.fixture(scope="module")
def project(tmp_path_factory, vocabulary) -> Path:
    return real_corpus(tmp_path_factory.mktemp("withdrawal"), vocabulary)


def needles(project: Path) -> dict[str, bytes]:
    """What nothing may hold any more: ids, hashes of raw files, pieces of the signals."""
    rows = pl.read_parquet(project / ".sediff/published/data/corpus/records/*.parquet")
    own = rows.filter(pl.col("patient_id") == PATIENT).sort("record_id")
    assert own["split"].to_list() == ["train", "train"]
    found = {"patient": PATIENT.encode()}
    for record, signal in zip(own["record_id"], own["signal"], strict=True):
        number = f"{int(record[-3:]):05d}"
        found[record] = record.encode()
        found[f"file {number}"] = f"{number}_lr".encode()  # as in raw tables, headers and inventories
        for path in sorted((project.parent / "raw/records100").rglob(f"{number}_lr.*")):
            found[f"hash of {path.name}"] = sha256_file(path).encode()
        for start in range(0, len(signal) - 64, 64):
            if len(set(signal[start : start + 64])) > 16:  # a flat piece may be anybody's
                found[f"{record} at {start}"] = signal[start : start + 64]
    assert len(found) > 50
    return found


def left(project: Path, wanted: dict[str, bytes]) -> list[tuple[str, str]]:
    places = [project, project.parent / "store", project.parent / "remote.git"]
    found = set()
    for place in places:
        for path, content in contents(place):
            for shown in (content, content[::-1]):
                named = {name for name, piece in wanted.items() if piece in shown}
                found |= {(path.relative_to(project.parent).as_posix(), name) for name in named}
    return sorted(found)


def sediff(project: Path, *arguments: str) -> tuple[int, str]:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow  # three refreshes; tests/corpus/test_exclusions.py has the corpus alone
def test_nothing_of_a_withdrawn_patient_is_left(project, tmp_path):
    wanted = needles(project)
    before = left(project, wanted)
    assert {path.split("/")[0] for path, _ in before} == {"checkout", "store"}, "the search finds them where they are"
    assert {name for _, name in before} == set(wanted)

    status, told = sediff(project, "withdraw", PATIENT, "--patient")
    assert (status, "revoked: ecg@v0.0.1" in told) == (0, True), told
    assert versions_with(project, (), {PATIENT}) == {"ecg@v0.0.1": "made from it; revoked"}
    assert "ecg@v0.0.1!" in said(project, "git", "ls-remote", "origin")
    for arguments in (("pull", "ecg", str(tmp_path / "there")), ("rollback", "ecg@v0.0.1")):
        status, told = sediff(project, *arguments)
        assert (status, "is revoked" in told) == (1, True), told
    status, told = sediff(project, "refresh")
    assert (status, "exclusions.yaml is not committed" in told) == (1, True), told

    change(project)
    status, told = sediff(project, "refresh")
    assert status == 0, told
    assert "withdrawn" in told
    status, told = sediff(project, "purge")
    assert (status, "nothing was removed" in told) == (0, True), told
    assert left(project, wanted)
    status, told = sediff(project, "purge", "--yes")
    assert status == 0, told
    assert left(project, wanted) == []

    record = project / told.strip().rpartition(" ")[2]
    line = record.with_suffix(".sig").read_text()
    assert signer_of(record.read_bytes(), line) == public_key(signing_key(project)[0])
    assert read_json(record)["revoked"] == ["ecg@v0.0.1"]

    folder = project / ".sediff/published"
    assert sediff(folder, "impact", PATIENT, "--patient")[0] == 1, "no lineage leads to them"
    assert list(versions_with(project, (), {PATIENT})) == ["ecg@v0.0.1"], "the clean version has nobody of them"
    metrics = read_json(folder / "reports/corpus/metrics.json")
    assert metrics["withdrawn"] == 2
    status, told = sediff(project, "verify", "ecg@v0.0.2")
    assert status == 0, told
    assert "not here" not in told, "what the clean version needs was kept"
    status, told = sediff(project, "pull", "ecg", str(tmp_path / "clean"))
    assert status == 0, told
    assert (folder / "data/knowledge/same.txt").exists()
    assert len(list((folder / ".sediff/answers").glob("*.json"))) == 2, "what the clean version asked is kept"
    status, told = sediff(project, "refresh")
    assert (status, "nothing has changed" in told) == (0, True), told


@pytest.mark.slow  # for the project's sake
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("withdraw", "clinic/99999"), "has a patient or record clinic/99999"),
        (("withdraw", PATIENT, "--patient", "--record"), "say two things"),
    ],
)
def test_a_name_that_nothing_knows_is_one_sentence(project, arguments, message):
    status, told = sediff(project, *arguments)
    assert (status, message in told) == (1, True), told


def test_a_key_that_is_another_is_refused(tmp_path):
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge/exclusions.yaml").write_text("key: '0123456789abcdef'\nwithdrawn: [abc]\n")
    with pytest.raises(UserError, match=r"exclusion\.key is missing: .* written with the key 0123456789abcdef"):
        read_exclusions(tmp_path)
    (tmp_path / "knowledge/exclusions.yaml").write_text("withdrawn: 3\n")
    with pytest.raises(UserError, match="is malformed"):
        read_exclusions(tmp_path)
