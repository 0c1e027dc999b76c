"""A restricted corpus in what is handed out: no real id, no patient's words, no key."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sediff.params import set_params
from sediff.pseudonyms import VARIABLE, Pseudonyms, keep_key, read_key
from sediff.seeds import seed_of
from tests.pipeline.clone import MAIN, command, sediff

OWN_WORDS = "Zacharias Verbatim"  # as only a patient's own report has them
HANDED_OUT = ("data/synthesis", "data/evaluation", "data/augmentation", "data/report", "reports/index.html", "made")
NAME = re.compile(r"\b\w++/\w+")  # possessive, or the pictures of a page would take minutes
FLOWS = ("synthesis evaluation", "synthesis augmentation", "synthesis dataset", "evaluation", "augmentation", "report")


@pytest.fixture(scope="module")
def restricted(project, tmp_path_factory) -> tuple[Path, str]:
    """The small run, its corpus restricted and all that hands out made again, records generated; what was said."""
    folder = tmp_path_factory.mktemp("restricted") / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    for path in (folder / "data/corpus/records").glob("*.parquet"):
        table = pq.read_table(path)
        column = table.schema.get_field_index("original_report")
        words = pa.array([f"{text} {OWN_WORDS}" for text in table["original_report"].to_pylist()])
        pq.write_table(table.set_column(column, table.schema.field(column), words), path)
    identifier, _ = keep_key("", folder / ".sediff/pseudonym.key")
    sources = "corpus.sources=[{name: virtual, reader: ptb-xl, sharing: restricted}]"
    set_params(folder / "params.yaml", [sources, f'pseudonyms.key="{identifier}"'])
    said = ""
    for flow in FLOWS:
        name, *item = flow.split()
        result = command(folder, sys.executable, "-m", f"flows.{name}", *item)
        assert result.returncode == 0, result.stderr
        said += result.stdout + result.stderr
    said += sediff(folder, "generate", "atrial fibrillation", "-n", "1", "--out", "made", "--explain")
    return folder, said


def files(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for path in (folder / name for name in names):
        yield from (part for part in ([path] if path.is_file() else sorted(path.rglob("*"))) if part.is_file())


def strings(column: pa.ChunkedArray) -> set[str]:
    """All texts of a column, those in lists too; empty for numbers and signals."""
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return {cell for cell in column.to_pylist() if cell} if is_text else set()


def texts(path: Path) -> set[str]:
    if path.suffix == ".parquet":
        return set().union(*map(strings, pq.read_table(path).columns))
    return {path.read_bytes().decode(errors="replace")}


def real_ids(folder: Path) -> set[str]:
    rows = pl.read_parquet(folder / "data/corpus/records/*.parquet", columns=["record_id", "patient_id"])
    return {*rows["record_id"], *rows["patient_id"]}


def leaks(folder: Path, names: tuple[str, ...] = HANDED_OUT) -> list[str]:
    """Files in which a real id, a patient's words, or in rows the bare number of a record, patient or admission is."""
    ids, admissions = real_ids(folder), pl.read_parquet(folder / "data/knowledge/profiles.parquet")["admission"]
    numbers = {name.partition("/")[2] for name in ids} | set(admissions) - {""}
    assert len(numbers) > 150, "records, patients and admissions"
    found = []
    for path in files(folder, names):
        content = texts(path)
        words = {word for text in content for word in re.split(r"\W+", text)} if path.suffix == ".parquet" else set()
        named = {name for text in content for name in NAME.findall(text)}
        if named & ids or words & numbers or any(OWN_WORDS in text for text in content):
            found.append(path.relative_to(folder).as_posix())
    return found


def test_no_real_id_and_no_patients_words_are_handed_out(restricted):
    folder, said = restricted
    suffixes = {path.suffix for path in files(folder, HANDED_OUT)}
    assert {".parquet", ".json", ".html", ".hea"} <= suffixes
    assert leaks(folder) == []
    assert not real_ids(folder) & set(NAME.findall(said))
    assert OWN_WORDS not in said


def test_the_search_would_find_them(restricted, project):
    """In what nobody hands out, and in the same run of the open corpus."""
    assert any("corpus/records" in path for path in leaks(restricted[0], ("data/corpus",)))
    assert "data/knowledge/experience.parquet" in leaks(restricted[0], ("data/knowledge",))
    assert len(leaks(project[0])) >= 4


def test_whoever_holds_the_key_joins_and_traces_the_rows(restricted):
    folder, _ = restricted
    pseudonyms = Pseudonyms(frozenset({"virtual"}), read_key(folder / ".sediff/pseudonym.key"))
    records = pl.read_parquet(folder / "data/corpus/records/*.parquet").drop("signal")
    statements = dict(zip(map(pseudonyms.of, records["record_id"]), records["statements"].to_list(), strict=True))
    splits = dict(zip(map(pseudonyms.of, records["record_id"]), records["split"], strict=True))
    for request, split in (("evaluation", "test"), ("augmentation", "train")):
        for row in pl.read_parquet(folder / f"data/synthesis/{request}/records/*.parquet").iter_rows(named=True):
            assert splits[row["matched_record_id"]] == split
            assert statements[row["matched_record_id"]] == row["statements"]
            assert row["experience_id"] == f"experience:{row['matched_record_id']}"
            assert {splits[name] for name in row["neighbours"]} <= {"train"}
    measured = pl.read_parquet(folder / "data/evaluation/records.parquet")
    assert {splits[name] for name in measured["nearest_training_record"]} == {"train"}
    pseudonym = measured["matched_record_id"][0]
    told = re.fullmatch(r"record (virtual/\w+) of patient (virtual/\w+)", sediff(folder, "trace", pseudonym).strip())
    assert told and pseudonyms.of(told[1]) == pseudonym
    assert records.filter(record_id=told[1])["patient_id"].to_list() == [told[2]]


def test_the_order_of_the_rows_tells_nothing_without_the_key(restricted):
    """Who knows the ids of the test records and the public draw does not learn which record a row stands for."""
    folder = restricted[0]
    made = pl.read_parquet(folder / "data/synthesis/evaluation/records/*.parquet")["matched_record_id"].to_list()
    records = pl.read_parquet(folder / "data/corpus/records/*.parquet", columns=["record_id", "split"])
    ids = records.filter(pl.col("split") == "test")["record_id"].to_list()
    order = np.random.default_rng(seed_of(0, "request", "test")).permutation(len(ids))
    pseudonyms = Pseudonyms(frozenset({"virtual"}), read_key(folder / ".sediff/pseudonym.key"))
    guessed = [pseudonyms.of(ids[place]) for place in order]
    hits = sum(guess == row for guess, row in zip(guessed, made, strict=False))
    assert hits <= 4, "as many as chance gives"
    assert set(made[: len(ids)]) == set(guessed[: len(made)]) or len(made) < len(ids)


def test_the_key_is_in_nothing_that_git_or_dvc_keeps(restricted):
    folder, said = restricted
    key = read_key(folder / ".sediff/pseudonym.key")
    assert key.hex() not in said
    for path in files(folder, ("params.yaml", "dvc.yaml", "dvc.lock", "data", "reports", "runs", "made")):
        content = path.read_bytes()
        assert key not in content and key.hex().encode() not in content, path
    assert "pseudonym.key" not in command(folder, "git", "status", "--porcelain", "-uall").stdout


def test_what_holds_pseudonyms_names_the_key_in_its_origin(restricted):
    data = restricted[0] / "data"
    identifier, _ = keep_key("", restricted[0] / ".sediff/pseudonym.key")
    named = {path.parent.relative_to(data).as_posix() for path in data.rglob("manifest.json")
             if identifier in path.read_text()}  # fmt: skip
    requests = {f"synthesis/{request}" for request in ("evaluation", "augmentation", "dataset")}
    assert named == requests | {"evaluation", "augmentation"}


def test_nothing_runs_with_another_key(restricted, monkeypatch):
    folder, _ = restricted
    monkeypatch.setenv(VARIABLE, "0" * 64)
    commands = [
        (sys.executable, "-c", MAIN, "run"),
        (sys.executable, "-c", MAIN, "trace", "virtual/0123456789abcdef"),
        (sys.executable, "-c", MAIN, "generate", "sinus rhythm", "--out", "other"),
        (sys.executable, "-m", "flows.evaluation"),
    ]
    for arguments in commands:
        refused = command(folder, *arguments)
        assert refused.returncode == 1
        assert "is not the one that the data was made with" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_after_another_corpus_was_configured_nothing_leaves_and_nothing_is_lost(restricted, tmp_path):
    """What rests on the restricted corpus is refused in one sentence until that is configured again."""
    folder = tmp_path / "clone"
    shutil.copytree(restricted[0], folder, symlinks=True)
    shutil.copytree(folder / ".sediff/sources/virtual", tmp_path / "other")
    manifest = folder / "data/knowledge/manifest.json"  # that of the open run, whose knowledge it is
    manifest.write_text(manifest.read_text().replace('"sharing": "open"', '"sharing": "restricted"'))
    corpus = folder / "data/corpus/manifest.json"
    corpus.write_text(corpus.read_text().replace('"sharing": "open"', '"sharing": "restricted"'))
    pseudonym = pl.read_parquet(folder / "data/synthesis/evaluation/records")["matched_record_id"][0]
    traced = sediff(folder, "trace", pseudonym)
    sediff(folder, "configure", "--corpus", str(tmp_path / "other"), "--name", "other")
    for arguments in (("generate", "sinus rhythm", "--out", "refused"), ("trace", pseudonym)):
        refused = command(folder, sys.executable, "-c", MAIN, *arguments)
        assert refused.returncode == 1
        assert len(refused.stderr.strip().splitlines()) == 1
        assert "virtual, which is restricted, and params.yaml does not name it" in refused.stderr
    assert not (folder / "refused").exists()
    sediff(folder, "configure", "--corpus", "virtual", "--add")  # openly: the models' ids would leave as they are
    assert command(folder, sys.executable, "-c", MAIN, "generate", "sinus rhythm", "--out", "refused").returncode == 1
    set_params(folder / "params.yaml", ["corpus.sources=[{name: virtual, reader: ptb-xl, sharing: restricted}]"])
    identifier, _ = keep_key("", folder / ".sediff/pseudonym.key")
    set_params(folder / "params.yaml", [f'pseudonyms.key="{identifier}"'])
    assert sediff(folder, "trace", pseudonym) == traced
    sediff(folder, "generate", "sinus rhythm", "--out", "again")
    assert leaks(folder, ("again",)) == []


@pytest.mark.slow
def test_a_restricted_folder_from_configuring_to_the_report(project, tmp_path):
    folder, raw = tmp_path / "clone", tmp_path / "clinic"
    shutil.copytree(project[0], folder, symlinks=True)
    shutil.copytree(folder / ".sediff/sources/virtual", raw)
    table = pl.read_csv(raw / "ptbxl_database.csv", infer_schema=False)
    table.with_columns(pl.col("report") + f" {OWN_WORDS}").write_csv(raw / "ptbxl_database.csv")
    said = sediff(folder, "configure", "--corpus", str(raw), "--name", "clinic", "--sharing", "restricted")
    said += sediff(folder, "run")
    assert all(name.startswith("clinic/") for name in real_ids(folder))
    assert leaks(folder) == []
    assert not real_ids(folder) & set(NAME.findall(said))
    assert "nothing ran" in sediff(folder, "run")
