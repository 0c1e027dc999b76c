"""A refresh whose cache and remote have objects that are not what their names say: no version is made of them."""

import shutil
import sys
from pathlib import Path

from sediff.lineage.dvc_hash import Cache
from sediff.publication.store import lock_in, outs_of
from tests.objects import at_remote, damage, wrong
from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import make

DATASET = "data/synthesis/dataset"


def sediff(project: Path, *arguments: str) -> tuple[int, str]:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr


def test_what_is_damaged_on_its_way_to_publication_is_had_again(first_version, tmp_path):
    """Of a refresh that did all but publish, as its remote was no folder: what the next takes from the cache, what it
    sends, and what lies where it sends it."""
    project, store = make(tmp_path, like=first_version.checkout), tmp_path / "store"
    store.write_text("no folder")
    assert sediff(project, "refresh")[0] == 1
    store.unlink()
    folder, cache = project / ".sediff/published", Cache(project)
    outs = outs_of(lock_in(folder))
    weights = (cache.listing(outs["data/diffusion"]) or {})["weights.txt"]
    rows = (cache.listing(outs[DATASET]) or {})["rows.txt"]
    content = (folder / DATASET / "rows.txt").read_bytes()
    shutil.rmtree(folder / "data/diffusion")
    for md5 in (weights, rows, outs[DATASET]):
        damage(cache.path(md5))
    at_remote(store, rows).parent.mkdir(parents=True)
    shutil.copy(cache.path(rows), at_remote(store, rows))

    status, told = sediff(project, "refresh")
    assert (status, "ecg@v0.0.1 is served" in told) == (0, True), told
    assert "diffusion: damaged in DVC's cache, so fetched or made again: data/diffusion" in told, told
    for name in (DATASET, f"{DATASET}/rows.txt"):
        assert f"{name} was damaged in DVC's cache: made again from the working tree" in told
    assert f"{DATASET}/rows.txt was damaged at DVC's remote: sent again" in told
    assert wrong(store) == wrong(cache.folder.parents[1]) == []
    assert (folder / DATASET / "rows.txt").read_bytes() == at_remote(store, rows).read_bytes() == content
    status, told = sediff(project, "verify", "ecg@v0.0.1")
    assert status == 0, told
