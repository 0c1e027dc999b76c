"""What a record or a file says it came from, against what the tree was made of."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sediff.corpus.readers import READERS, RawRecord
from sediff.errors import UserError
from sediff.export.wfdb import write_wfdb
from sediff.files import read_json, sha256_file, write_json
from sediff.lineage.audit import audit, model_hash
from sediff.lineage.raw import LAYOUTS, raw_files
from sediff.lineage.tree import tree_lines
from sediff.sources import Source, scan
from tests.corpus.raw import ecg, write_challenge
from tests.corpus.raw import write_wfdb as write_raw
from tests.lineage.conftest import COMMIT, GRAPH

ROOT = Path(__file__).parents[2]
EVERY_MODEL = {"stage:encoder@conditioner", "stage:autoencoder", "stage:diffusion"}


def test_a_synthetic_record_leads_to_raw_files_with_their_hashes(made):
    lineage = audit(made, "evaluation/000037")
    row = pl.read_parquet(made / "data/synthesis/evaluation/records/shard-002.parquet").row(5, named=True)
    facts = lineage.root.facts
    assert lineage.root.key == "record:evaluation/000037"
    assert {name: facts[name] for name in ("request", "seed", "index", "try", "model", "fingerprint")} == {
        name: row[name] for name in ("request", "seed", "index", "try", "model", "fingerprint")
    }
    assert (facts["file"], facts["row"]) == ("data/synthesis/evaluation/records/shard-002.parquet", 5)
    assert {f"stage:{stage}" for stage in GRAPH} - set(lineage.nodes) == {"stage:synthesis@dataset"}
    near = [link.target for link in lineage.before(f"experience:{row['experience_id']}")]
    assert [f"record:{name}" for name in row["neighbours"]] == [key for key in near if key.startswith("record:")]
    told = lineage.nodes[f"experience:{row['experience_id']}"].facts
    assert (told["confidence"], told["exact_similarity"], "meaning_similarity" in told) == (
        round(row["confidence"], 4), round(row["exact_similarity"], 4), False,
    )  # fmt: skip
    for record in (row["matched_record_id"], *row["neighbours"]):
        raw = [lineage.nodes[link.target] for link in lineage.before(f"record:{record}")]
        files = {node.label.removeprefix("virtual: "): node.facts["sha256"] for node in raw if node.type == "raw file"}
        assert {Path(name).suffix for name in files} == {".hea", ".dat"}
        assert files == {name: sha256_file(made / "raw" / name) for name in files}
        assert any(node.key == "stage:corpus" for node in raw)


def test_a_stage_tells_its_run_code_and_parameters(made):
    stage = audit(made, "dataset/000000").nodes["stage:diffusion"]
    manifest = read_json(made / "data/diffusion/manifest.json")
    assert stage.kind == "activity"
    assert {name: stage.facts[name] for name in ("fingerprint", "parameters", "code", "device")} == {
        name: manifest[name] for name in ("fingerprint", "parameters", "code", "device")
    }
    (run,) = stage.facts["runs"]
    assert (run["commit"], run["flow_run"], run["seconds"]) == (COMMIT, "flow-diffusion", 2.5)


def test_each_record_is_found_in_its_shard(made):
    for index in range(40):
        assert audit(made, f"evaluation/{index:06d}").root.facts["index"] == index


def test_real_records_experiences_and_files(made):
    record = pl.read_parquet(made / "data/corpus/records/*.parquet")["record_id"][0]
    lineage = audit(made, record)
    assert (lineage.root.type, lineage.root.label) == ("real record", record)
    assert "stage:knowledge" not in lineage.nodes, "it came from its source alone"
    assert audit(made, f"experience:{record}").root.facts["distiller"] == "offline"
    weights = audit(made, "data/diffusion/denoiser.safetensors")
    assert weights.root.facts["in"] == "data/diffusion"
    assert set(weights.nodes) >= EVERY_MODEL | {"source:virtual"}
    assert audit(made, "data/corpus").root.facts["md5"].endswith(".dir")
    assert audit(made, "data/sources/virtual.parquet").root.type == "inventories"


def test_a_record_that_was_set_aside_says_why(tree):
    row = {"source": "virtual", "record_id": "virtual/99999", "path": "x", "reason": "flat_lead", "detail": "V1"}
    pl.DataFrame([row]).write_parquet(tree / "data/corpus/quarantine.parquet")
    root = audit(tree, "virtual/99999").root
    assert (root.type, root.facts["reason"]) == ("real record, set aside", "flat_lead")


def test_a_pseudonym_is_named_and_not_followed(tree):
    path = tree / "data/corpus/manifest.json"
    path.write_text(path.read_text().replace('"sharing": "open"', '"sharing": "restricted"'))
    for shard in (tree / "data/synthesis/evaluation/records").glob("*.parquet"):
        rows = pl.read_parquet(shard).with_columns(matched_record_id=pl.lit("virtual/3f0c5d1b7a92e846"))
        rows.write_parquet(shard)
    lineage = audit(tree, "evaluation/000003")
    assert "sediff trace" in lineage.nodes["record:virtual/3f0c5d1b7a92e846"].facts["not followed"]
    assert lineage.before("record:virtual/3f0c5d1b7a92e846") == []
    assert lineage.notices == ["virtual is restricted: keep this within your team."]


def generated(folder: Path, model: str, neighbours: str) -> Path:
    """A record as `sediff generate` writes it, with a comment that is longer than a line."""
    comments = [
        "SYNTHETIC ECG made by sediff; it belongs to no patient",
        "asked: atrial fibrillation, 71 years",
        f"experience: query:0123456789abcdef, offline: {'Rhythm: atrial fibrillation. ' * 20}",
        "confidence: 0.62",
        "exact_similarity: 0.80",
        f"from: {neighbours}",
        "seed: 3",
        "index: 1",
        "try: 2",
        f"model: {model}",
    ]
    write_wfdb(np.zeros((12, 1000), np.int16), folder, "ecg001", comments)
    return folder / "ecg001.hea"


def test_a_generated_record_is_read_from_its_header(tree):
    experience = pl.read_parquet(tree / "data/knowledge/experience.parquet").row(0, named=True)
    told = ", ".join(f"{name} 0.75" for name in experience["neighbours"] * 4)
    header = generated(tree / "out", model_hash(tree), told)
    lineage = audit(tree, str(header.relative_to(tree)))
    assert lineage.root.facts | {"model": ""} == {
        "asked": "atrial fibrillation, 71 years", "seed": 3, "index": 1, "try": 2, "model": "",
    }  # fmt: skip
    assert set(lineage.nodes) >= EVERY_MODEL | {f"record:{name}" for name in experience["neighbours"]}
    rests_on = lineage.nodes["experience:query:0123456789abcdef"].facts
    assert rests_on["text"].count("atrial fibrillation.") == 20
    assert (rests_on["confidence"], rests_on["exact_similarity"]) == (0.62, 0.8)
    assert audit(tree, str(header.with_suffix(".dat").relative_to(tree))).nodes.keys() == lineage.nodes.keys()
    shutil.rmtree(tree / "out")
    other = generated(tree / "out", "f" * 64, told)
    lineage = audit(tree, str(other.relative_to(tree)))
    assert "the models in data/ are others" in lineage.nodes[f"model:{'f' * 64}"].facts["here"]
    other.write_text(other.read_text().replace("# seed: 3\n", ""))
    with pytest.raises(UserError, match="is damaged: its comments do not say"):
        audit(tree, str(other.relative_to(tree)))


def test_the_model_is_hashed_as_the_generator_does():
    from sediff.lineage import audit as own
    from sediff.synthesis import generator

    assert tuple(f"{stage}/{name}.safetensors" for stage, name in generator.WEIGHTS) == own.WEIGHTS
    assert "{}/{}.safetensors".format(*generator.OF_TWO_STAGES) == own.OF_TWO_STAGES


@pytest.mark.parametrize(
    ("damage", "what", "sentence"),
    [
        ("", "dataset/000099", "has no record dataset/000099: its first is dataset/000000, in 2 shards"),
        ("", "virtual/123456", "is no file here, no record of"),
        ("", "experience:virtual/123456", "has no experience experience:virtual/123456"),
        ("", "params.yaml", "is no out of a stage in dvc.lock"),
        ("", "augmentation/000001", "augmentation/records holds no records"),
        (
            "data/diffusion/manifest.json",
            "dataset/000001",
            "is missing, of stage diffusion: run `sediff run diffusion`",
        ),
        ("data/synthesis/dataset/records/shard-001.parquet", "dataset/000018", "has no record dataset/000018"),
        ("data/sources/virtual.parquet", "dataset/000001", "virtual.parquet is missing or damaged"),
    ],
)
def test_mistakes_and_missing_files_are_one_sentence(tree, damage, what, sentence):
    if damage:
        (tree / damage).unlink()
    with pytest.raises(UserError, match=sentence):
        audit(tree, what)


def test_a_damaged_shard_and_a_row_of_another_run_are_one_sentence(tree):
    shard = tree / "data/synthesis/dataset/records/shard-001.parquet"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"shard-001\.parquet is missing or damaged: restore it with `dvc checkout`"):
        audit(tree, "dataset/000018")
    manifest = tree / "data/synthesis/dataset/manifest.json"
    write_json(manifest, read_json(manifest) | {"fingerprint": "0" * 64})
    with pytest.raises(UserError, match=r"dataset/000001 is of run .* and its folder's manifest of 0000000000000000"):
        audit(tree, "dataset/000001")


def test_the_tree_of_a_terminal_says_it_in_words(made):
    text = "\n".join(tree_lines(audit(made, "evaluation/000005")))
    for told in ("evaluation/000005, synthetic record", "(for its condition)", "similarity", "sha256: ", COMMIT,
                 "stage diffusion, fingerprint", "flow_run: flow-diffusion", "source virtual"):  # fmt: skip
        assert told in text, told
    assert text.count("stage corpus, fingerprint") == 1


def test_the_command_needs_no_heavy_library(made):
    """A question about a record waits for neither torch nor polars, Prefect, DVC or pandas."""
    program = (
        "import atexit, sys\n"
        "heavy = {'torch', 'polars', 'prefect', 'dvc', 'pandas', 'openai'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "sys.argv = ['sediff', 'audit', 'evaluation/000005']\n"
        "from sediff.cli import main\n"
        "main()\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=made, capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert "evaluation/000005, synthetic record" in result.stdout


def test_json_is_the_same_each_time_and_complete(made):
    first, second = (json.dumps(audit(made, "evaluation/000005").as_json()) for _ in range(2))
    assert first == second
    found = json.loads(first)
    keys = {node["key"] for node in found["nodes"]}
    assert {link["target"] for link in found["links"]} | {link["source"] for link in found["links"]} <= keys


@pytest.mark.parametrize("reader", LAYOUTS)
def test_raw_files_of_each_layout_are_those_that_its_reader_reads(reader, tmp_path, cohort):
    root = tmp_path / "raw"
    if reader == "ptb-xl":
        shutil.copytree(cohort, root)
    elif reader == "ptb-xl-500":
        shutil.copytree(cohort, root)
        table = pl.read_csv(root / "ptbxl_database.csv", infer_schema=False)
        fast = pl.col("filename_lr").str.replace("records100", "records500").str.replace("_lr", "_hr")
        table.with_columns(filename_hr=fast).write_csv(root / "ptbxl_database.csv")
        for path in list((root / "records100").rglob("*_lr.*")):
            other = root / "records500" / path.parent.name / path.name.replace("_lr", "_hr")
            other.parent.mkdir(parents=True, exist_ok=True)
            path.rename(other)
    elif reader == "mimic-iv-ecg":
        name = "files/p1000/p10000032/s40689238/40689238"
        write_raw(root / name, ecg())
        row = f"10000032,40689238,40689238,2180-07-23 08:44:00,{name}\n"
        (root / "record_list.csv").write_text(f"subject_id,study_id,file_name,ecg_time,path\n{row}")
        (root / "machine_measurements.csv").write_text("subject_id,study_id,report_0\n10000032,40689238,Sinus rhythm\n")
    elif reader == "ludb":
        write_raw(root / "data/7", ecg())
        (root / "ludb.csv").write_text("ID\n7\n")
    elif reader == "challenge":
        write_challenge(root / "g1/A0001", ecg(), 500, ("#Age: 60",))
    else:
        write_raw(root / "ward/one", ecg())
    source = Source("own", reader, "open", root, tmp_path / "own.parquet")
    scan(source, tmp_path / "scan.sqlite", READERS[reader].ignored)
    records = [record for record in READERS[reader]("own", root).records() if isinstance(record, RawRecord)]
    assert records
    found = raw_files(source.inventory, reader, {record.record_id: record.patient_id for record in records})
    for record in records:
        assert {file.path for file in found[record.record_id]} == set(record.files)
        assert all(file.sha256 == sha256_file(root / file.path) for file in found[record.record_id])
