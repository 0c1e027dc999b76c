"""One changed byte or row anywhere is found and named."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from sediff.errors import UserError
from sediff.files import read_json, write_json
from sediff.lineage.dvc_hash import files_of, md5_files
from sediff.lineage.verify import verify
from sediff.records import write_table
from sediff.sources import Source

SHARD = "data/synthesis/evaluation/records/shard-001.parquet"


def source(root: Path) -> Source:
    return Source("virtual", "ptb-xl", "open", root / "raw", root / "data/sources/virtual.parquet")


def faults(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for fault in verify(root, [source(root)]).faults:
        found[fault.what] = f"{found[fault.what]}; {fault.why}" if fault.what in found else fault.why
    return found


def flip(path: Path, place: int = -1) -> None:
    """Another byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place < 0 else place] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, change: Callable[[list[dict]], list[dict]]) -> None:
    """Other rows of a table, under the same schema."""
    table = pq.read_table(path)
    write_table(type(table).from_pylist(change(table.to_pylist()), schema=table.schema), path)


def without_cache(root: Path) -> None:
    (root / ".dvc/cache").rename(root / "away")


def test_what_dvc_recorded_is_as_it_was(made):
    verdict = verify(made, [source(made)])
    assert verdict.faults == []
    told = " ".join(verdict.checked)
    assert "synthetic rows: 60" in told
    assert f"raw files: {len(pl.read_parquet(made / 'data/sources/virtual.parquet'))}," in told


def test_each_file_of_the_tree_is_missed_when_a_byte_of_it_changes(made, tree):
    """Every file below data/, raw/ and code/, one after the other, through whatever names it."""
    for path in sorted(path for top in ("data", "raw", "code") for path in (tree / top).rglob("*") if path.is_file()):
        name = path.relative_to(tree).as_posix()
        content = path.read_bytes()
        if name.startswith("raw/") and path.suffix not in (".hea", ".dat", ".csv", ".gz"):
            continue  # no reader's
        if name.startswith("raw/") and path.suffix in (".hea", ".dat") and not path.stem.startswith("00001"):
            continue  # one recording stands for all
        flip(path)
        found = faults(tree)
        named = {"raw": str(path), "code": f"code/{path.parent.name}"}.get(name.split("/")[0], name)
        if name.startswith("data/sources"):
            named = "data/sources"
        assert named in found, (name, found)
        path.write_bytes(content)
    assert faults(tree) == {}


def test_the_record_that_changed_is_named(tree):
    def change(rows: list[dict]) -> list[dict]:
        rows[3]["signal"] = rows[3]["signal"][:-1] + b"\x7f"
        return rows

    rewrite(tree / SHARD, change)
    assert faults(tree)[SHARD] == "changed since it was made: record evaluation/000019 changed in signal"
    without_cache(tree)
    told = "neither DVC's cache nor runs/ lists them"
    assert told in faults(tree)["data/synthesis/evaluation"]


def test_a_row_that_is_gone_and_one_that_is_new_are_named(tree):
    rewrite(tree / SHARD, lambda rows: rows[:4] + rows[5:])
    assert "row evaluation/000020 is gone" in faults(tree)[SHARD]
    rewrite(tree / SHARD, lambda rows: [*rows, {**rows[0], "record_id": "evaluation/999999"}])
    assert "row evaluation/999999 is new" in faults(tree)[SHARD]


def test_a_page_that_cannot_be_decoded_names_its_rows(tree):
    table = pq.ParquetFile(tree / SHARD).metadata.row_group(0)
    column = table.column(table.num_columns - 1)
    flip(tree / SHARD, column.data_page_offset + 3)
    assert "rows 0 to 15 (evaluation/000016 to evaluation/000031) cannot be decoded" in faults(tree)[SHARD]
    without_cache(tree)


def test_what_the_runs_wrote_down_names_the_file_without_a_cache(tree):
    listed = {f"data/autoencoder/{name}": md5 for name, md5 in md5_files(files_of(tree / "data/autoencoder")).items()}
    (run,) = (tree / "runs/autoencoder").glob("*/*.json")
    write_json(run, read_json(run) | {"files": listed})
    without_cache(tree)
    flip(tree / "data/autoencoder/autoencoder.safetensors")
    assert faults(tree)["data/autoencoder/autoencoder.safetensors"] == "changed since it was made: its hash is another"
    write_json(run, read_json(run) | {"files": {**listed, "data/autoencoder/manifest.json": "0" * 32}})
    assert "in a file that cannot be told" in faults(tree)["data/autoencoder"], "a listing that the hash does not prove"


def test_missing_and_stray_files_are_named(tree):
    (tree / "data/autoencoder/autoencoder.safetensors").unlink()
    (tree / "data/simulator/more.txt").write_text("x")
    (tree / "reports/corpus/metrics.json").unlink()
    (tree / "raw/ptbxl_database.csv").unlink()
    found = faults(tree)
    assert "is missing" in found["data/autoencoder/autoencoder.safetensors"]
    assert "came here later" in found["data/simulator/more.txt"]
    assert "is missing" in found["reports/corpus/metrics.json"]
    assert "was there when it was scanned" in found[str(tree / "raw/ptbxl_database.csv")]


def test_weights_of_the_second_stage_are_named_and_not_the_rows_they_made(tree):
    (tree / "data/diffusion/morphology.safetensors").write_bytes(b"of another run")
    assert list(faults(tree)) == ["data/diffusion/morphology.safetensors"]


def recorded_again(tree: Path, stage: str) -> None:
    """Let dvc.lock say that a stage's out is as it is now, as somebody who covers a change up would."""
    from sediff.lineage.dvc_hash import md5_of

    lock = yaml.safe_load((tree / "dvc.lock").read_text())
    path = f"data/{stage.replace('@', '/')}"
    for entry in lock["stages"].values():
        for item in [*entry.get("outs", ()), *entry.get("deps", ())]:
            if item["path"] == path:
                item["md5"] = md5_of(md5_files(files_of(tree / path)))
    (tree / "dvc.lock").write_text(yaml.safe_dump(lock))


def test_a_change_that_dvc_lock_was_made_to_agree_with_is_found_by_the_chain(tree):
    """Weights are named in rows, outs in the manifests of what read them, parameters in the fingerprint."""
    flip(tree / "data/diffusion/denoiser.safetensors")
    recorded_again(tree, "diffusion")
    found = faults(tree)
    assert "of another model than" in found["data/synthesis/evaluation/records/shard-000.parquet"]
    assert found["manifest of synthesis@dataset"] == "it read another data/diffusion than the one that is recorded"
    assert not any(what.startswith("data/diffusion") for what in found)


def test_a_manifest_that_was_edited_is_found(tree):
    path = tree / "data/synthesis/dataset/manifest.json"
    write_json(path, read_json(path) | {"device": {"device": "another"}})
    recorded_again(tree, "synthesis@dataset")
    assert faults(tree) == {"manifest of synthesis@dataset": "its fingerprint is not that of its content"}


def test_rows_of_another_run_are_named(tree):
    rewrite(tree / SHARD, lambda rows: [{**rows[0], "fingerprint": "f" * 64}, *rows[1:]])
    recorded_again(tree, "synthesis@evaluation")
    assert "evaluation/000016 is of another fingerprint than" in faults(tree)[SHARD]
    rewrite(tree / SHARD, lambda rows: [rows[0] | {"index": 5}, *rows[1:]])
    recorded_again(tree, "synthesis@evaluation")
    assert "evaluation/000016 is at an index that is another's" in faults(tree)[SHARD]


def test_parameters_that_were_changed_and_not_run_are_named(tree):
    values = yaml.safe_load((tree / "params.yaml").read_text())
    values["diffusion"]["steps"] += 1
    (tree / "params.yaml").write_text(yaml.safe_dump(values))
    assert faults(tree) == {"params.yaml": "diffusion is not what diffusion was run with: `sediff run`, or restore it"}


def test_what_was_not_run_is_a_sentence(tree):
    (tree / "dvc.lock").unlink()
    with pytest.raises(UserError, match="has no stage: nothing was run here"):
        verify(tree, None)


def test_raw_files_may_be_left_out(tree):
    flip(tree / "raw/ptbxl_database.csv")
    assert verify(tree, None).faults == []
