"""A dataset's bytes: whatever the workers, the interruptions and the size."""

import os
import resource
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from threadpoolctl import threadpool_info

from flows.synthesis import spread
from sediff.datasheet.columns import COLUMNS_TOLD
from sediff.datasheet.facts import SCHEMA_VERSION
from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.files import write_json
from sediff.params import RuntimeParams
from sediff.processes import in_processes, worker_number
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals, require_version
from sediff.synthesis import explain
from sediff.synthesis import synthesize as synthesis
from sediff.synthesis.explain import explanation
from sediff.synthesis.gate import Gate
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import GateParams, SamplerParams
from sediff.synthesis.plan import Planner
from sediff.synthesis.read import Request
from sediff.synthesis.schema import PARTS
from sediff.synthesis.shards import Shards
from sediff.synthesis.synthesize import (
    SCHEMA,
    Cohort,
    Dataset,
    Maker,
    make_shard,
    metrics,
    models_in,
    rows_of_shards,
    synthesize,
)

SAMPLER = SamplerParams(steps=2, guidance=1.5, batch_size=4, precision="float32")
ASKED = [
    {"text": "atrial fibrillation", "heart_rate": 100, "records": 3},
    {"statements": {"SR": 1, "CLBBB SR": 1}, "age": {"mean": 60, "sd": 9}, "records": 5},
    {"like": "corpus", "records": 6},
]


@pytest.fixture
def dataset(models, vocabulary, tmp_path) -> Dataset:
    request = Request.of(PARTS.validate_python(ASKED), vocabulary, "test")
    return Dataset(
        "dataset",
        request,
        SAMPLER,
        None,
        0,
        "print",
        models,
        ("cpu",),
        EmbeddingAccess(),
        Pseudonyms(),
        tmp_path / "a",
        models_in(models),
        4,
    )


def made(dataset: Dataset, vocabulary, runner=None) -> dict[str, bytes]:
    Shards(dataset.folder).open({"seed": dataset.seed})
    records = len(dataset.request.plan(Planner(dataset.data, vocabulary, dataset.pseudonyms, dataset.seed)))
    synthesize(dataset, records, runner or in_processes(1))
    return {path.name: path.read_bytes() for path in sorted((dataset.folder / "records").glob("*"))}


def test_what_is_changed_half_written_or_gone_is_made_again_and_all_else_kept(dataset, vocabulary, capsys):
    whole = made(dataset, vocabulary)
    assert list(whole) == [f"shard-{number:06d}.parquet" for number in range(4)]
    records = dataset.folder / "records"
    kept = (records / "shard-000000.parquet").stat().st_mtime_ns
    (records / "shard-000001.parquet").unlink()
    with (records / "shard-000002.parquet").open("r+b") as file:
        file.truncate(100)
    changed = bytearray(whole["shard-000003.parquet"])
    changed[500] ^= 1
    (records / "shard-000003.parquet").write_bytes(changed)
    (records / ".shard-000002.parquet.half.parquet").write_bytes(b"half")
    capsys.readouterr()
    assert made(dataset, vocabulary) == whole
    said = capsys.readouterr().err
    assert "shard-000001.parquet is gone" in said
    assert "shard-000002.parquet is changed or truncated" in said and "shard-000003.parquet is changed" in said
    assert (records / "shard-000000.parquet").stat().st_mtime_ns == kept and "shard-000000" not in said
    rows = read_columns(records)
    assert rows["index"].to_list() == list(range(14))
    assert rows["record_id"][3] == "dataset/000003"
    assert rows["fingerprint"].unique().to_list() == ["print"]
    assert rows["miss"].null_count() == 14, "nothing was measured"
    assert read_signals(records).shape == (14, 12, 1000)


def test_each_row_says_how_sure_and_how_like_its_experience_is(dataset, vocabulary):
    made(dataset, vocabulary)
    folder = dataset.folder / "records"
    rows, paths = read_columns(folder), sorted(folder.iterdir())
    prompted, like = rows[:8], rows[8:]
    assert prompted["meaning_similarity"].null_count() == 0 and like["meaning_similarity"].null_count() == len(like)
    assert (prompted["exact_similarity"] > 0).all() and (rows["confidence"] > 0).all() and rows["confidence"].max() <= 1
    assert like["exact_similarity"].to_list() == like["similarities"].list.max().to_list()
    assert rows[:3].select("confidence", "exact_similarity", "meaning_similarity").is_unique().sum() == 0, "one prompt"
    for path in paths:
        require_version(path, SCHEMA_VERSION, "synthesis")
    assert set(COLUMNS_TOLD) == set(SCHEMA.names), "the datasheet speaks of each column"


def test_an_explanation_tells_each_condition_once(dataset, vocabulary, monkeypatch):
    made(dataset, vocabulary)
    folder = dataset.folder / "records"
    rows = read_columns(folder)
    monkeypatch.setattr(explain, "SHOWN", 20)
    lines = explanation(folder)
    conditions = rows.unique(["text", "experience_id"], maintain_order=True)
    heads = [line for line in lines if not line.startswith("  ")]
    assert len(heads) == len(conditions) and heads[0] == "atrial fibrillation: 3 records, the first of index 0"
    first = rows.row(0, named=True)
    assert lines[1] == f"  experience: {first['experience']}"
    likeness = f"exact {first['exact_similarity']:.2f}, by meaning {first['meaning_similarity']:.2f}"
    assert lines[2].endswith(f"confidence {first['confidence']:.2f}, distiller offline, best: {likeness}")
    assert lines[3] == "  from: " + ", ".join(
        f"{name} ({of:.2f})" for name, of in zip(first["neighbours"], first["similarities"], strict=True)
    )
    monkeypatch.setattr(explain, "SHOWN", 2)
    short = explanation(folder)
    assert short[:3] == lines[:3] and f"{len(conditions) - 2} more conditions: a row of {folder}" in short[-1]
    assert short[3].endswith(f", and {len(first['neighbours']) - 2} more")


def test_the_number_of_workers_and_devices_changes_no_byte(dataset, vocabulary, tmp_path):
    alone = made(dataset, vocabulary)
    several = replace(dataset, devices=("cpu", "cpu"), folder=tmp_path / "b")
    assert made(several, vocabulary, in_processes(2)) == alone


def killed_at(shard: int, function, number: int) -> int:
    """What a worker does that the system kills."""
    if number == shard:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(number)


def test_a_killed_worker_is_one_sentence_and_the_next_start_goes_on(dataset, vocabulary, tmp_path):
    alone = made(dataset, vocabulary)
    own = replace(dataset, folder=tmp_path / "b")
    with pytest.raises(UserError, match="A worker process was killed, or memory ran out: run again"):
        made(own, vocabulary, lambda function, shards: in_processes(2)(partial(killed_at, 3, function), shards))
    done = {path: path.stat().st_mtime_ns for path in (own.folder / "records").glob("shard-*")}
    assert len(done) < len(alone)
    assert made(own, vocabulary) == alone
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())


def number_beside_another(folder: Path, shard: int) -> int:
    """This worker's number, once both are there."""
    (folder / str(worker_number())).touch()
    deadline = time.monotonic() + 120
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return worker_number()


def test_each_process_has_a_device_of_its_own(dataset, vocabulary, tmp_path):
    (tmp_path / "numbers").mkdir()
    found = in_processes(2)(partial(number_beside_another, tmp_path / "numbers"), [0, 1])
    assert sorted(found) == [0, 1] and worker_number() == 0
    with pytest.raises(RuntimeError, match="nonesuch"):
        made(replace(dataset, devices=("nonesuch",), folder=tmp_path / "c"), vocabulary)


def threads_of(dataset: Dataset, number: int) -> int:
    """The most threads that torch, polars or a library of linear algebra uses in a worker."""
    return max(pl.thread_pool_size(), numeric_threads_of(dataset, number))


def numeric_threads_of(dataset: Dataset, number: int) -> int:
    make_shard(dataset, number)
    return max(torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info()))


def test_workers_have_one_thread_each(dataset, vocabulary, monkeypatch):
    """As many workers as cores then fill them, and no more."""
    for library in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.setenv(library, "2")
    devices, run = spread(torch.device("cpu"), RuntimeParams(workers=2))
    assert devices == ("cpu",)
    Shards(dataset.folder).open({})
    assert list(run(partial(threads_of, dataset), [0, 1])) == [1, 1]


def test_so_has_the_only_one(dataset, vocabulary):
    """A product of one thread and of two differ in last bits, which may decide who the neighbours are."""
    made(dataset, vocabulary)
    assert numeric_threads_of(dataset, 0) == 1


def test_many_shards_are_given_to_the_workers_in_portions(dataset, vocabulary, monkeypatch):
    given = []

    def runner(function, shards):
        given.append(list(shards))
        yield from map(function, shards)

    monkeypatch.setattr(synthesis, "AT_ONCE", 3)
    assert len(made(dataset, vocabulary, runner)) == 4
    assert given == [[0, 1, 2], [3]]


def test_a_stage_that_runs_meanwhile_spoils_no_shard(dataset, vocabulary):
    with pytest.raises(UserError, match="a stage ran meanwhile: make it again with --fresh"):
        made(replace(dataset, models="those of a minute ago"), vocabulary)
    assert not any((dataset.folder / "records").glob("*"))


def test_models_are_told_apart_by_what_their_stages_say_of_themselves(tmp_path):
    for stage in ("corpus", "diffusion"):
        write_json(tmp_path / stage / "manifest.json", {"fingerprint": "a"})
    before = models_in(tmp_path)
    assert models_in(tmp_path) == before
    write_json(tmp_path / "diffusion/manifest.json", {"fingerprint": "b"})
    assert models_in(tmp_path) != before
    (tmp_path / "diffusion/manifest.json").unlink()
    assert models_in(tmp_path) != before


@pytest.mark.parametrize(
    ("records", "batch", "rows"),
    [(1, 64, 256), (16_384, 64, 256), (16_385, 64, 512), (10**6, 64, 512), (100, 100, 300), (10**6, 2048, 2048)],
)
def test_shards_are_whole_batches_and_small_where_there_are_few(records, batch, rows):
    assert rows_of_shards(records, batch) == rows


def differing(one: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    """Columns in which two tables of as many rows differ."""
    assert one.columns == other.columns and len(one) == len(other)
    return [name for name in one.columns if not one[name].equals(other[name])]


def test_a_larger_request_begins_with_the_smaller_one(dataset, vocabulary, tmp_path):
    made(dataset, vocabulary)
    parts = PARTS.validate_python([*ASKED[:2], {"like": "corpus", "records": 9}])
    request = Request.of(parts, vocabulary, "")
    large = replace(dataset, folder=tmp_path / "b", request=request, fingerprint="larger", rows_a_shard=16)
    made(large, vocabulary)
    columns, others = read_columns(dataset.folder / "records"), read_columns(large.folder / "records")
    assert differing(columns, others[:14]) == ["fingerprint"], "which names the whole request"
    assert (read_signals(dataset.folder / "records") == read_signals(large.folder / "records")[:14]).all()


def test_another_seed_shares_no_record(dataset, vocabulary, tmp_path):
    other = replace(dataset, seed=1, folder=tmp_path / "b")
    made(dataset, vocabulary)
    made(other, vocabulary)
    one, two = (read_signals(folder / "records") for folder in (dataset.folder, other.folder))
    assert (one != two).mean(axis=(1, 2)).min() > 0.5


def test_a_folder_of_something_else_is_refused(dataset, vocabulary, tmp_path):
    made(dataset, vocabulary)
    shards = Shards(dataset.folder)
    with pytest.raises(UserError, match="holds a dataset of another seed: give another folder, or --fresh"):
        shards.open({"seed": 1})
    shards.remove()
    shards.open({"seed": 1})
    assert shards.unfinished(2) == [0, 1]
    foreign = Shards(tmp_path / "foreign")
    foreign.records.mkdir(parents=True)
    (foreign.records / "shard-000.parquet").write_bytes(b"somebody's")
    for refused in (lambda: foreign.open({"seed": 0}), foreign.remove):
        with pytest.raises(UserError, match="records that were not made here"):
            refused()
    assert (foreign.records / "shard-000.parquet").exists()


def test_a_damaged_identity_is_named_and_does_not_lock_the_folder(dataset, vocabulary):
    whole = made(dataset, vocabulary)
    identity = dataset.folder / ".shards/identity.json"
    identity.write_text("{")
    with pytest.raises(UserError, match=r"identity\.json is damaged.*--fresh makes it again"):
        Shards(dataset.folder).open({"seed": 0})
    Shards(dataset.folder).remove()
    assert made(dataset, vocabulary) == whole


def test_a_kill_while_another_dataset_is_removed_leaves_whose_the_folder_is(dataset, vocabulary, monkeypatch):
    """After each removal of a file or folder."""
    whole, removals = made(dataset, vocabulary), 0
    done = {name: getattr(target, name) for target, name in ((shutil, "rmtree"), (Path, "unlink"))}

    def dying(name, left):
        def remove(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            done[name](*arguments, **options)

        return remove

    while True:
        left = [removals]
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(shutil, "rmtree", dying("rmtree", left))
            patch.setattr(Path, "unlink", dying("unlink", left))
            Shards(dataset.folder).remove()
            break
        there = [path for path in dataset.folder.rglob("*") if path.is_file()]
        assert not there or dataset.folder / ".shards/identity.json" in there
        assert made(dataset, vocabulary) == whole
        removals += 1
    assert removals > 3


def test_what_lies_among_the_shards_is_refused_and_not_counted(dataset, vocabulary):
    made(dataset, vocabulary)
    shards = Shards(dataset.folder)
    stray = shards.path(7)
    stray.write_bytes(shards.path(0).read_bytes())
    with pytest.raises(UserError, match=r"shard-000007\.parquet is no shard of this dataset: move it away"):
        shards.unfinished(4)
    stray.unlink()
    assert shards.unfinished(4) == []
    shards.path(2).unlink()
    shards.path(2).mkdir()
    with pytest.raises(UserError, match=r"shard-000002\.parquet is no shard of this dataset"):
        shards.unfinished(4)


def test_a_full_disk_is_one_sentence_and_the_rest_is_kept(dataset, vocabulary):
    """A limit on a file's size stands for it: the system refuses to write, as it does on a full disk."""
    whole = made(dataset, vocabulary)
    last = dataset.folder / "records/shard-000003.parquet"
    last.unlink()
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        with pytest.raises(UserError, match=r"shard-000003\.parquet cannot be written .*it goes on") as error:
            made(dataset, vocabulary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(error.value)
    assert not last.exists()
    assert made(dataset, vocabulary) == whole


def test_a_disk_that_was_full_and_has_room_again(dataset, vocabulary, disk):
    whole, own = made(dataset, vocabulary), replace(dataset, folder=disk / "dataset")
    with pytest.raises(UserError, match=r"shard-00000\d\.parquet cannot be written .*No space left on device"):
        made(own, vocabulary)
    done = {path: path.stat().st_mtime_ns for path in (own.folder / "records").glob("shard-*")}
    assert 0 < len(done) < len(whole)
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    assert made(own, vocabulary) == whole
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())


def test_a_missed_record_is_made_again_in_its_own_slot(dataset, vocabulary):
    """Records of random weights have some rate or other, so a wide tolerance lets some through."""
    params = GateParams(tries=3, heart_rate_bpm=10)
    rows = dataset.request.plan(Planner(dataset.data, vocabulary, Pseudonyms(), 0)).rows(0, 14)
    rows = [replace(row, statements=(), condition=replace(row.condition, heart_rate=100.0)) for row in rows]
    generator = EcgGenerator.load(dataset.data, vocabulary, torch.device("cpu"), EmbeddingAccess())

    class Fixed:
        def __len__(self) -> int:
            return len(rows)

        def rows(self, start: int, stop: int):
            return rows[start:stop]

    def table(size: int, gate: GateParams | None):
        own = replace(dataset, gate=gate, rows_a_shard=size)
        return Maker(own, generator, Fixed(), Gate.load(gate) if gate else None).shard(0).to_pylist()

    gated, small = table(14, params), table(5, params)
    assert gated[:5] == small, "whoever else is made again"
    tries = [row["try"] for row in gated]
    assert 0 in tries and max(tries) > 0
    for row, wanted in zip(gated, rows, strict=True):
        signal = generator.make([wanted], [Slot(0, row["index"], row["try"])], SAMPLER)[0]
        assert row["signal"] == np.ascontiguousarray(signal, "<i2").tobytes()
        assert row["miss"] == Gate.load(params).misses([wanted], signal[None])[0]
        assert row["miss"] == [] or row["try"] == 3
    assert [row["signal"] for row in table(14, None)] != [row["signal"] for row in gated]


def test_what_the_gate_makes_again_is_the_same_whoever_makes_it_and_after_a_loss(dataset, vocabulary, tmp_path):
    gated = replace(dataset, gate=GateParams(tries=2, heart_rate_bpm=10))
    alone = made(gated, vocabulary)
    assert len(set(read_columns(gated.folder / "records")["try"])) > 1, "it made some again"
    several = replace(gated, folder=tmp_path / "several")
    assert made(several, vocabulary, in_processes(2)) == alone
    Shards(several.folder).path(1).unlink()
    assert made(several, vocabulary) == alone


def test_metrics_say_how_often_records_were_made_again(dataset, vocabulary):
    strict = replace(dataset, gate=GateParams(tries=2, heart_rate_bpm=0.0))
    made(strict, vocabulary)
    found = metrics(strict.folder / "records", 0)
    assert found["records"] == 14 and found["statements"]["AFIB"] >= 3
    assert sum(found["gate"]["tries"].values()) == 14
    rows = read_columns(strict.folder / "records")
    assert found["gate"]["misses"]["heart_rate"] == sum("heart_rate" in names for names in rows["miss"])
    assert "gate" not in metrics(_made_plain(dataset, vocabulary), 0)


def _made_plain(dataset: Dataset, vocabulary) -> Path:
    plain = replace(dataset, folder=dataset.folder.with_name("plain"))
    made(plain, vocabulary)
    return plain.folder / "records"


def test_a_cohort_has_the_conditions_of_its_split(dataset, vocabulary):
    own = replace(dataset, request=Cohort("test", 3))
    made(own, vocabulary)
    matched = read_columns(own.folder / "records")["matched_record_id"].to_list()
    assert set(matched) == {"cohort/00040", "cohort/00041"} and len(matched) == 3
