"""A small working tree whose corpus and experience are real, recorded by DVC itself; weights and signals are drawn."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import yaml

from flows.stage import manifest
from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.files import write_json
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.experience import read_experiences
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.profiles import FITS
from sediff.lineage.audit import model_hash
from sediff.lineage.dvc_hash import files_of, md5_files, md5_of
from sediff.lineage.fingerprint import Origin, content_hash
from sediff.lineage.graph import parameter, read_graph
from sediff.records import SIGNAL, read_columns, write_table
from sediff.sources import Source, scan, write_local_path

ROOT = Path(__file__).parents[2]
DEVICE = {"device": "CPU", "torch": "1", "threads": "1"}
COMMIT = "a" * 40
# By stage: what it reads, and the section of its parameters.
GRAPH = {
    "corpus": (["data/sources"], "corpus"),
    "simulator": (["data/corpus"], "simulator"),
    "knowledge": (["data/sources", "data/corpus", "data/simulator"], "knowledge"),
    "encoder@conditioner": (["data/corpus", "data/knowledge"], "encoder.judges_share"),
    "autoencoder": (["data/corpus"], "autoencoder"),
    "diffusion": (["data/autoencoder", "data/encoder/conditioner", "data/knowledge"], "diffusion"),
    "synthesis@evaluation": (["data/diffusion", "data/knowledge"], "synthesis.evaluation"),
    "synthesis@dataset": (["data/diffusion", "data/knowledge"], "synthesis.dataset"),
}
SHARD = 16  # rows
MADE = {"evaluation": 40, "dataset": 20}


def dvc_yaml() -> dict[str, Any]:
    stages: dict[str, Any] = {}
    for name, (inputs, section) in GRAPH.items():
        stage, _, item = name.partition("@")
        code = ["constraints.txt", f"code/{stage}"]
        out = f"data/{name.replace('@', '/')}"
        metrics = {"metrics": ["reports/corpus/metrics.json"]} if name == "corpus" else {}
        entry = {"cmd": "false", "deps": [*inputs, *code], "params": [section], "outs": [out], **metrics}
        if not item:
            stages[name] = entry
        else:  # written out by DVC from a `foreach`, whose items differ too much for one body here
            stages.setdefault(stage, {"foreach": {}, "do": {}})
            stages[stage]["foreach"][item] = {"param": section, "first": inputs[0]}
            stages[stage]["do"] = entry | {
                "deps": ["${item.first}", "data/knowledge", *code],
                "params": ["${item.param}"],
                "outs": [f"data/{stage}/${{key}}"],
            }
    return {"stages": stages}


def synthetic_rows(root: Path, request: str, records: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows that rest on experiences of the tree; those of `dataset` on one of free text."""
    experiences = {own.record_id: own for own in read_experiences(root / "data/knowledge")}
    held_out = records.filter(pl.col("split") == "test")["record_id"].to_list()
    rows = []
    for index in range(MADE[request]):
        matched = held_out[index % len(held_out)] if request == "evaluation" else ""
        own = experiences[matched or records["record_id"][0]]
        rows.append(
            {
                "record_id": f"{request}/{index:06d}", "request": request, "seed": 0, "index": index, "try": 0,
                "text": "sinus rhythm <script>alert(1)</script>", "age": 60.0, "sex": None, "heart_rate": 70.0,
                "axis": None, "statements": ["SR"], "matched_record_id": matched,
                "experience_id": own.experience_id if matched else "query:0123456789abcdef",
                "experience": own.report.text, "distiller": own.distiller, "neighbours": list(own.neighbours),
                "similarities": list(own.similarities), "simulator_statement": "NORM",
                "confidence": own.report.confidence, "exact_similarity": max(own.similarities),
                "meaning_similarity": None if matched else 0.75,
            }
        )  # fmt: skip
    return rows


def write_shards(rows: Sequence[dict[str, Any]], folder: Path, model: str, fingerprint: str) -> None:
    rng = np.random.default_rng(len(rows))
    for number, start in enumerate(range(0, len(rows), SHARD)):
        part = [{**row, "model": model, "fingerprint": fingerprint} for row in rows[start : start + SHARD]]
        signals = [rng.integers(-900, 900, 12_000).astype("<i2").tobytes() for _ in part]
        table = pa.Table.from_pylist(part).append_column(SIGNAL, pa.array(signals, SIGNAL.type))
        write_table(table, folder / f"shard-{number:03d}.parquet")


def origin(root: Path, stage: str, outs: dict[str, str]) -> Origin:
    entry = read_graph(root)[stage]
    values = yaml.safe_load((root / "params.yaml").read_text())
    inputs = {dep: outs.get(dep) or content_hash(root / dep) for dep in entry.deps if dep.startswith("data")}
    code = {dep: content_hash(root / dep) for dep in entry.deps if not dep.startswith("data")}
    return Origin(stage, {key: parameter(values, key) for key in entry.params}, inputs, code, DEVICE)


def dvc(root: Path, *arguments: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True, env={**os.environ, "PATH": path})


@pytest.fixture(scope="session")
def made(tmp_path_factory, cohort, vocabulary) -> Path:
    """The tree; tests that change it take a copy, `tree`."""
    root = tmp_path_factory.mktemp("lineage") / "project"
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    shutil.copy(ROOT / "constraints.txt", root)
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    (root / "dvc.yaml").write_text(yaml.safe_dump(dvc_yaml()))
    for stage in {name.partition("@")[0] for name in GRAPH}:
        (root / "code" / stage).mkdir(parents=True)
        (root / "code" / stage / "code.py").write_text(f"{stage = }\n")
    shutil.copytree(cohort, root / "raw")
    write_local_path(root / ".sediff/local.yaml", "virtual", Path("raw"))
    (root / ".gitignore").write_text("/data/\n/reports/\n")
    before = Path.cwd()
    os.chdir(ROOT)  # knowledge/ is read from there
    try:
        _stages(root, vocabulary)
    finally:
        os.chdir(before)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    dvc(root, "commit", "--force")
    return root


def _stages(root: Path, vocabulary) -> None:
    data, outs, weights = root / "data", {}, np.random.default_rng(0)
    source = Source("virtual", "ptb-xl", "open", root / "raw", data / "sources/virtual.parquet")
    scan(source, root / ".sediff/scan.sqlite")
    records = pl.DataFrame()
    for stage in GRAPH:
        out = data / stage.replace("@", "/")
        out.mkdir(parents=True)
        name, _, item = stage.partition("@")
        made_of = origin(root, stage, outs)
        match name:
            case "corpus":
                folders = Folders(out, root / "reports/corpus", root / ".sediff/work", root / ".sediff/parsed")
                (root / "reports/corpus/plots").mkdir(parents=True)
                params = CorpusParams.model_validate(made_of.parameters["corpus"] | {"shards": 4})
                build_corpus(params, [source], vocabulary, folders, lambda function, shards: map(function, shards))
                records = read_columns(out / "records")
            case "simulator":
                fitted = records.filter(pl.col("split") == "train")
                fits = {part: np.ones((len(fitted), 40)) for part in ("theta", "a", "b")}
                pl.DataFrame({"record_id": fitted["record_id"], **fits}).cast(FITS).write_parquet(
                    out / "records.parquet"
                )
                row = {"statement": "NORM", "lead": "II", "wave": "R", "error": 0.1, "count": 7, "source": "statement"}
                pl.DataFrame([row]).write_parquet(out / "morphology.parquet")
            case "knowledge":
                report = root / ".sediff/report"
                report.mkdir()
                given = KnowledgeParams(neighbours=5), data / "corpus", data / "simulator", [source], vocabulary
                build_knowledge(*given, out, report, AnswerStore(root / ".sediff/answers"), None)
            case "synthesis":
                rows = synthetic_rows(root, item, records)
                write_shards(rows, out / "records", model_hash(root), made_of.fingerprint)
            case _:
                file = {"autoencoder": "autoencoder", "diffusion": "denoiser", "encoder": "conditioner"}[name]
                (out / f"{file}.safetensors").write_bytes(weights.bytes(4096))
        write_json(out / "manifest.json", manifest(made_of))
        outs[f"data/{stage.replace('@', '/')}"] = md5_of(md5_files(files_of(out)))
        run = {"started": "2026-01-01T00:00:00+00:00", "seconds": 2.5, "commit": COMMIT, "flow_run": f"flow-{stage}"}
        write_json(root / "runs" / stage / made_of.fingerprint / "0001.json", run)


@pytest.fixture
def tree(made, tmp_path) -> Path:
    """A copy of the tree that a test may damage."""
    folder = tmp_path / "project"
    shutil.copytree(made, folder)
    return folder
