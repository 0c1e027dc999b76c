"""What a dataset folder says of itself, checked by the tools that read it."""

import json
import shutil
import subprocess
from pathlib import Path

import mlcroissant
import numpy as np
import pytest

from sediff.datasheet.columns import COLUMNS_TOLD
from sediff.datasheet.describe import describe_dataset
from sediff.datasheet.facts import Facts, read_facts
from sediff.errors import UserError
from sediff.export.export import export
from sediff.export.formats import FORMATS
from sediff.sources import SourceParams
from tests.datasets import COUNT, rows

PTB_XL = SourceParams(name="ptb-xl", reader="ptb-xl")
VIRTUAL = SourceParams(name="virtual", reader="ptb-xl")
CLINIC = SourceParams(name="clinic", reader="mimic-iv-ecg", sharing="restricted")
REQUEST = [{"text": "sinus rhythm ``` <script>alert(1)</script>", "records": COUNT}]
FACTS = Facts("dataset", REQUEST, {"steps": 12, "guidance": 1.2}, (PTB_XL,))


@pytest.fixture
def described(dataset, tmp_path) -> Path:
    folder = tmp_path / "dataset"
    shutil.copytree(dataset, folder)
    describe_dataset(folder, FACTS)
    return folder


def check(folder: Path) -> None:
    """The checksums hold, cover every file, and mlcroissant finds no error."""
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS"}
    assert not mlcroissant.Dataset(folder / "croissant.json").metadata.ctx.issues.errors


def test_sha256sum_and_mlcroissant_accept_it(described):
    check(described)


def test_mlcroissant_reads_the_rows(described):
    read = list(mlcroissant.Dataset(described / "croissant.json").records("records"))
    assert len(read) == COUNT
    for record, row in zip(read, rows(), strict=True):
        assert record["records/index"] == row["index"]
        assert record["records/text"] == row["text"].encode()
        assert [code.decode() for code in record["records/statements"]] == row["statements"]
        for name in ("confidence", "exact_similarity", "meaning_similarity"):
            assert record[f"records/{name}"] == row[name] or (row[name] is None and np.isnan(record[f"records/{name}"]))


def test_it_says_what_it_is_from_what_and_how_much(described):
    readme = (described / "README.md").read_text()
    for words in (
        "belong to no patient and are no basis for a diagnosis",
        "CC BY 4.0",
        "Wagner P",
        "Scientific Data 7, 154 (2020)",
        "steps 12, guidance 1.2",
        "seed: 7",
        "a" * 64,
        "f" * 64,
        f"| SR | {COUNT - 1} |",
        "| female | 7 |",
        "| not asked for | 1 |",
        "| 40-49 | 3 |",
        "- `confidence`: how sure the experience is, 0 to 1",
    ):
        assert words in readme, words
    about = json.loads((described / "dataset.json").read_text())
    assert about["schema_version"] == 2
    assert (about["records"], about["request"], about["seeds"]) == (COUNT, REQUEST, [7])
    assert about["ages"]["80-89"] == 1 and sum(about["ages"].values()) == COUNT


def test_each_column_is_told_to_people_and_machines(described):
    (told,) = json.loads((described / "croissant.json").read_text())["recordSet"]
    assert {field["name"]: field.get("description") for field in told["field"]} == {
        field["name"]: COLUMNS_TOLD[field["name"]] for field in told["field"]
    }
    readme = (described / "README.md").read_text()
    assert all(f"- `{name}`: {COLUMNS_TOLD[name]}\n" in readme for name in (*rows()[0], "signal"))


def test_no_word_of_a_request_ends_its_block(described):
    asked = [line for line in (described / "README.md").read_text().splitlines() if "<script>" in line or "```" in line]
    assert asked and all(line.startswith("    ") for line in asked)


def test_the_same_dataset_is_described_by_the_same_bytes(described):
    files = ("README.md", "croissant.json", "dataset.json", "SHA256SUMS")
    before = [(described / name).read_bytes() for name in files]
    describe_dataset(described, FACTS)
    assert [(described / name).read_bytes() for name in files] == before


@pytest.mark.parametrize(
    ("sources", "licence", "said"),
    [
        ((VIRTUAL,), ["https://www.apache.org/licenses/LICENSE-2.0"], "which is simulated"),
        ((CLINIC,), None, "clinic: none given: it is restricted"),
        ((PTB_XL, CLINIC), None, "CC BY 4.0"),
        ((SourceParams(name="mine", reader="wfdb"),), None, "mine: not known to sediff"),
        ((), None, "not recorded"),
    ],
)
def test_licences_are_those_of_the_training_corpora(dataset, tmp_path, sources, licence, said):
    shutil.copytree(dataset, tmp_path / "dataset")
    describe_dataset(tmp_path / "dataset", Facts("dataset", sources=sources))
    check(tmp_path / "dataset")
    metadata = json.loads((tmp_path / "dataset/croissant.json").read_text())
    assert metadata.get("license") == licence
    assert said in (tmp_path / "dataset/README.md").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_carries_it_on(described, tmp_path, name):
    export(described, name, tmp_path / "out", first=2)
    check(tmp_path / "out")
    assert read_facts(tmp_path / "out") == read_facts(described) == FACTS
    assert "Wagner P" in (tmp_path / "out/README.md").read_text()
    assert json.loads((tmp_path / "out/dataset.json").read_text())["records"] == 2


def test_mlcroissant_reads_the_rows_of_an_export_to_numpy(described, tmp_path):
    export(described, "numpy", tmp_path / "out", first=2)
    read = mlcroissant.Dataset(tmp_path / "out/croissant.json").records("records")
    assert [record["records/index"] for record in read] == [0, 1]


def test_odd_names_and_damaged_facts(described):
    assert Facts("../a b|`c`").name == "..-a-b-c"
    (described / "dataset.json").write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        read_facts(described)
