"""Shards on a Dask and on a Ray cluster of two workers: the same bytes as in one process."""

from pathlib import Path

import pytest

from flows.runners import runner
from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.params import CorpusParams
from sediff.params import RuntimeParams
from sediff.processes import in_processes

PARAMS = CorpusParams(sources=({"name": "virtual", "reader": "ptb-xl"},), shards=3)


def built(folder: Path, source, vocabulary, run) -> dict[str, bytes]:
    for name in ("out", "report", "cache"):
        (folder / name).mkdir(parents=True)
    folders = [folder / name for name in ("out", "report", "work", "cache")]
    build_corpus(PARAMS, [source], vocabulary, Folders(*folders), run)
    return {path.name: path.read_bytes() for path in sorted((folder / "out").rglob("*.parquet"))}


@pytest.mark.parametrize("name", ["dask", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_cluster_of_two_workers_gives_the_same_bytes(name, cohort, scanned, vocabulary, tmp_path, server):
    source = scanned(cohort)
    alone = built(tmp_path / "alone", source, vocabulary, in_processes(1))
    cluster = runner(RuntimeParams(runner=name, workers=2))
    assert built(tmp_path / name, source, vocabulary, cluster) == alone
    assert len(alone) > 2
