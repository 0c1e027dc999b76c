"""How the tests build a corpus."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl

from sediff.cohort.write import write_record
from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.processes import Runner, in_processes

SOURCES = ({"name": "virtual", "reader": "ptb-xl"},)


def params(**changes) -> CorpusParams:
    return CorpusParams(**{"sources": SOURCES, "shards": 3} | changes)


def build(sources, vocabulary, folder: Path, runner: Runner | None = None, **changes) -> Path:
    for name in ("out", "report"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    told = build_corpus(
        params(**changes),
        sources if isinstance(sources, list) else [sources],
        vocabulary,
        Folders(*(folder / name for name in ("out", "report", "work", "cache"))),
        runner or in_processes(1),
    )
    (folder / "told").write_text(told)
    return folder / "out"


def reasons(out: Path) -> dict[str, str]:
    table = pl.read_parquet(out / "quarantine.parquet")
    return dict(zip(table["record_id"], table["reason"], strict=True))


def signal_of(root: Path, number: int = 1) -> Path:
    return root / f"records100/00000/{number:05d}_lr.dat"


def rewrite(root: Path, number: int, change) -> None:
    path = signal_of(root, number)
    signal = np.fromfile(path, "<i2").reshape(1000, 12).T.copy()
    write_record(path.with_suffix(""), change(signal))
