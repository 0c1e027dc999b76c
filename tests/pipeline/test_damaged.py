"""Files of a finished run that are missing, cut or garbled: whatever reads them says so in one sentence."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.model import Denoiser
from sediff.diffusion.morphology import MorphologyModel
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.patients import Training
from sediff.errors import UserError
from sediff.evaluation.compared import Judges
from sediff.knowledge.experience import read_experiences
from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.query import Store
from sediff.layers import read_tensors
from sediff.lineage.trace import trace
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals
from sediff.report.build import build_report
from sediff.report.params import GatesParams
from sediff.simulator.dataset import Simulator
from sediff.sources import Source, read_inventory

Reader = Callable[[Path], object]
UNREAD = ("quarantine.parquet", "predictions.parquet", "simulator/records.parquet", "evaluation/records.parquet")
DESCRIBES = ("README.md", "croissant.json", "dataset.json", "SHA256SUMS")  # for others, who have the last to check them
ALIKE = ("data/synthesis/evaluation/records", "data/synthesis/augmentation/records")  # to those of the dataset


def report(folder: Path) -> object:
    out = folder.parent / "report"
    return build_report(folder / "reports", folder / "data", GatesParams(), out / "index.html", out)


def traced(folder: Path) -> object:
    key = Pseudonyms(frozenset({"virtual"}), b"k" * 32)
    last = read_columns(folder / "data/corpus/records")["record_id"][-1]
    return trace(key.of(last), folder / "data/corpus", key)


def inventory(folder: Path) -> object:
    return list(read_inventory(Source("virtual", "ptb-xl", "open", folder, folder / "data/sources/virtual.parquet")))


def index(folder: Path) -> object:
    return KnowledgeIndex.open(folder / "data/knowledge", Path(tempfile.mkdtemp(dir=folder.parent)))


# Who reads what: the first path that a file's begins with counts.
READERS: dict[str, list[Reader]] = {
    "data/corpus/records": [
        lambda folder: read_columns(folder / "data/corpus/records"),
        lambda folder: read_signals(folder / "data/corpus/records"),
        traced,
    ],
    "data/synthesis/dataset/records": [
        lambda folder: read_columns(folder / "data/synthesis/dataset/records"),
        lambda folder: read_signals(folder / "data/synthesis/dataset/records"),
    ],
    "data/simulator/": [lambda folder: Simulator.load(folder / "data/simulator")],
    "data/knowledge/experience": [lambda folder: read_experiences(folder / "data/knowledge")],
    "data/knowledge/profiles": [lambda folder: Store(folder / "data/knowledge"), index],
    "data/knowledge/terms": [lambda folder: Store(folder / "data/knowledge"), index],
    "data/encoder/conditioner/": [lambda folder: Conditioner.load(folder / "data/encoder/conditioner")],
    "data/encoder/judges/training": [lambda folder: Training.read(folder / "data/encoder/judges")],
    "data/encoder/judges/": [lambda folder: Judges.load(folder / "data/encoder/judges")],
    "data/autoencoder/latents": [lambda folder: read_tensors(folder / "data/autoencoder/latents.safetensors")],
    "data/autoencoder/": [lambda folder: Autoencoder.load(folder / "data/autoencoder")],
    "data/diffusion/morphology": [lambda folder: MorphologyModel.load(folder / "data/diffusion")],
    "data/diffusion/": [lambda folder: Denoiser.load(folder / "data/diffusion")],
    "data/sources/": [inventory],
    "reports/": [report],
}


def readers_of(name: str) -> list[Reader]:
    if name.endswith("manifest.json"):
        return [report]
    return next(readers for prefix, readers in READERS.items() if name.startswith(prefix))


def files(folder: Path) -> list[str]:
    """All outs that are read, of the shards of a folder the last one."""
    found = {}
    for path in sorted([*(folder / "data").rglob("*"), *(folder / "reports").rglob("*.json")]):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(("data/report", "reports/report", *ALIKE)):
            found[path.parent, "shard" if "shard-" in path.name else path.name] = name
    return [name for name in found.values() if not name.endswith((*UNREAD, *DESCRIBES))]


def test_every_file_of_a_run_that_is_damaged_is_named(project, tmp_path):
    folder = tmp_path / "clone"
    for part in ("data", "reports"):
        shutil.copytree(project[0] / part, folder / part)
    names = files(folder)
    assert {Path(name).suffix for name in names} == {".json", ".parquet", ".safetensors"}
    for reader in {reader for name in names for reader in readers_of(name)}:
        reader(folder)  # whole, it can be read
    for name in names:
        path = folder / name
        content = path.read_bytes()
        for damage in (content[: len(content) // 2], b"", b"\xff" * len(content), None):
            path.unlink()
            if damage is not None:
                path.write_bytes(damage)
            elif name.endswith("manifest.json") or name.startswith("reports/") or "/shard-" in name:
                continue  # a stage that did not run, and a shard without records, have none
            for reader in readers_of(name):
                with pytest.raises(UserError, match="is missing") as error:
                    reader(folder)
                assert Path(name).name in str(error.value)
        path.write_bytes(content)
