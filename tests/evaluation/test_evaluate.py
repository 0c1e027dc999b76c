"""The stage as a whole, on records that a small judge can tell apart."""

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from sediff.autoencoder.model import Autoencoder
from sediff.encoder.embedding import EmbeddingAccess
from sediff.encoder.patients import Training
from sediff.encoder.train_judges import train_judges
from sediff.evaluation.evaluate import evaluate
from sediff.evaluation.evidence import floor_rows
from sediff.evaluation.exposure import Folders, OwnFits
from sediff.evaluation.params import EvaluationParams
from sediff.pseudonyms import Pseudonyms
from sediff.records import read_columns, read_signals, signal_column, write_table
from sediff.training import Job
from tests.encoder.conftest import PARAMS
from tests.learnable import write_records, write_simulator

LABELS = np.arange(480) // 8 % 2
BESIDE_SIMULATOR = (
    *("heart_rate", "p_waves", "beat_consistency", "rmssd", "rr_autocorrelation", "early_wide_beats"),
    *("intervals", "median_beats", "signs", "effects", "impossible", "dispersion", "irregular_sinus"),
)
COUNTS = ("not_learned", "rare.statements", "names")  # tables of what occurs, as the docstring says
SIZES = EvaluationParams(bootstraps=6, neighbours=3, min_records=20, pictures=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, vocabulary) -> Path:
    """A corpus, and judges trained on it."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_records(folder / "corpus", LABELS)
    for name in ("judges", "report", "work"):
        (folder / name).mkdir()
    job = Job(folder / "judges", folder / "report", folder / "work", 0, torch.device("cpu"))
    train_judges(PARAMS, folder / "corpus", folder / "none", vocabulary, job)
    return folder


def without_simulator(found: dict, path: str = "") -> Iterator[str]:
    """The dotted keys at which synthetic records have a figure and the simulator alone has no place."""
    if "synthetic" in found and "simulator" not in found:
        yield path
    for key, value in found.items():
        if isinstance(value, dict):
            yield from without_simulator(value, f"{path}.{key}".strip("."))


def evaluated(trained: Path, vocabulary, folder: Path, change, times: Sequence[int] = (1,), leaked: int = 0) -> dict:
    """Metrics of a dataset that is the held-out records after a change of their signals (n, 12, 1000).

    `times` says how often the condition of each is asked for, over and over; `leaked`, how many training records came
    out, shifted and scaled, where their own conditions were asked for, of twenty.
    """
    rows, signals = read_columns(trained / "corpus/records"), read_signals(trained / "corpus/records")
    held_out = (rows["split"] == "test").to_numpy()
    asked = np.repeat(np.flatnonzero(held_out), np.resize(times, held_out.sum()))
    rows, signals = rows[asked], signals[asked]
    table = pa.table(
        {
            "record_id": [f"evaluation/{i:06d}" for i in range(len(rows))],
            "matched_record_id": rows["record_id"].to_arrow(),
            "statements": rows["statements"].to_arrow(),
            "text": rows["report"].to_arrow(),
            "heart_rate": rows["heart_rate"].to_arrow(),
        }
    ).append_column("signal", signal_column(change(signals)))
    write_table(table, folder / "made/records/shard-000.parquet")
    for name in ("out", "report/plots", "work", "autoencoder"):
        (folder / name).mkdir(parents=True)
    torch.manual_seed(0)
    Autoencoder(16, 1).save(folder / "autoencoder")
    write_simulator(folder / "simulator")
    generator = Folders(*(folder / name for name in ("simulator", "knowledge", "conditioner", "autoencoder", "none")))
    job = Job(folder / "out", folder / "report", folder / "work", 0, torch.device("cpu"))
    arguments = (trained / "judges", generator, vocabulary, Pseudonyms(), EmbeddingAccess(), job, OwnFits(2, 0.3))
    columns = read_columns(trained / "corpus/records")
    known = read_signals(trained / "corpus/records")[(columns["split"] == "train").to_numpy()][:leaked]
    noise = np.random.default_rng(0).normal(0, 300, (20 - leaked, 12, 1000)).astype(np.int16)
    asked = np.concatenate([np.roll(known, 50, -1) // 2, noise])
    table = pa.table({"record_id": [f"augmentation/{i}" for i in range(20)]})
    write_table(table.append_column("signal", signal_column(asked)), folder / "asked/records/shard-000.parquet")
    evaluate(SIZES, trained / "corpus", folder / "made", folder / "asked", *arguments)
    return json.loads((folder / "report/metrics.json").read_text())


@pytest.fixture(scope="module")
def unchanged(trained, vocabulary, tmp_path_factory) -> dict:
    """Metrics of the held-out records themselves, each asked for once."""
    return evaluated(trained, vocabulary, tmp_path_factory.mktemp("unchanged"), lambda x: x)


def test_good_records_are_told_from_records_of_other_conditions(trained, vocabulary, tmp_path):
    rng = np.random.default_rng(0)
    near = evaluated(trained, vocabulary, tmp_path / "a", lambda x: x + rng.integers(-20, 20, x.shape, dtype=np.int16))
    wrong = evaluated(trained, vocabulary, tmp_path / "b", lambda x: -x)
    for section in ("distribution", "distribution_waveform"):
        values = near[section]
        assert 40 <= values["records_compared"] <= 60
        assert values["synthetic"]["fd"]["high"] < values["noise"]["fd"]["low"]
        assert values["real"]["kid"]["high"] < values["noise"]["kid"]["low"]
        assert values["flat_line"]["fd"]["low"] > values["real"]["fd"]["high"]
        assert values["coverage"] > 0.8 > values["coverage_noise"]
        assert values["synthetic"]["density"]["low"] > 0.5 > values["flat_line"]["density"]["high"]
        assert values["density"] > 0.5 and {"density_noise", "density_shuffled_leads"} < values.keys()
    assert (
        near["reconstruction"]["fd"]["low"] > near["distribution"]["real"]["fd"]["high"]
    )  # of an untrained autoencoder
    assert near["agreement"]["auroc_synthetic"] > 0.9 > 0.3 > wrong["agreement"]["auroc_synthetic"]
    for of_set in ("real", "simulator"):
        assert near["agreement"][f"auroc_{of_set}"] == wrong["agreement"][f"auroc_{of_set}"] > 0.9
    assert near["agreement"]["over_real"]["simulator"]["low"] > 0.9, "narrow and wide beats are all there is to read"
    for key in ("auroc_synthetic", "auprc_synthetic", "auroc_real", "auroc_simulator", "auroc_shuffled"):
        spread = near["agreement"][f"{key}_interval"]
        assert spread["low"] <= near["agreement"][key] <= spread["high"]
    assert near["agreement"]["auroc_shuffled_interval"]["high"] > near["agreement"]["auroc_shuffled_interval"]["low"]
    assert near["deviation_by_stratum"]["all"]["records"] == near["records"]
    assert near["limb_leads"]["mean_uv"] <= near["limb_leads"]["residual_uv"]
    for metrics in (near, wrong):
        alone = metrics["heart_rate"]["by_rhythm"]["all"]["simulator"]
        assert alone == near["heart_rate"]["by_rhythm"]["all"]["simulator"] and alone["mae_bpm"] < 2, (
            "it beats as asked"
        )
        assert metrics["heart_rate"]["simulator"]["mae_bpm"] == alone["mae_bpm"]
        for section in BESIDE_SIMULATOR:
            assert list(without_simulator(metrics[section])) == [], section
    spectra = near["spectra"]["all"]
    assert spectra["synthetic"]["high"] < spectra["noise"]["low"] and "shuffled_leads" in spectra
    assert near["paired"]["synthetic"]["mae_mv"]["high"] < near["paired"]["flat_line"]["mae_mv"]["low"]
    assert near["paired"]["synthetic"]["mae_mv"]["mean"] == pytest.approx(0.01, rel=0.1), "of uniform ±20 µV"
    assert wrong["paired"]["synthetic"]["mae_mv"]["mean"] == pytest.approx(
        2 * wrong["paired"]["flat_line"]["mae_mv"]["mean"], rel=1e-5
    )
    assert near["paired"]["random"]["mae_mv"]["low"] > near["paired"]["flat_line"]["mae_mv"]["low"]
    assert near["paired"]["same_condition"]["records"] == near["records"] == near["paired"]["random"]["records"]
    assert near["paired"]["rclip"]["ratio"] == pytest.approx(1, abs=0.2) and near["paired"]["rfid"]["low"] < 2
    assert near["clip"]["synthetic"]["low"] > near["clip"]["shuffled"]["high"]
    assert near["clip"]["synthetic"]["mean"] == pytest.approx(near["clip"]["real"]["mean"], abs=0.2)
    assert wrong["clip"]["synthetic"]["high"] < near["clip"]["synthetic"]["low"]
    assert near["retrieval"]["synthetic"]["hits_at_1"] > 0.9 > 0.3 > wrong["retrieval"]["synthetic"]["hits_at_1"]
    assert near["retrieval"]["frequency_baseline"]["hits_at_1"] == pytest.approx(0.5, abs=0.1)
    assert near["wordings"]["report"] == near["retrieval"]["real"], "one text asks for one record in both"
    assert near["logits"]["pooled"]["shift"]["synthetic"]["mean"] == pytest.approx(0, abs=0.5)
    assert wrong["logits"]["pooled"]["shift"]["synthetic"]["high"] < -2, "asked for, and not made: the judge doubts it"


def test_a_real_record_counts_once_however_often_its_condition_was_asked(trained, unchanged, vocabulary, tmp_path):
    once, often = unchanged, evaluated(trained, vocabulary, tmp_path, lambda x: x, times=(1, 1, 7, 2))
    assert often["records"] > once["records"] == often["clip"]["real_records"] == once["clip"]["real_records"]
    for name in ("auroc_real", "auprc_real"):
        assert often["agreement"][name] == once["agreement"][name]
    assert often["clip"]["real"]["mean"] == once["clip"]["real"]["mean"]
    assert often["clip"]["synthetic"]["mean"] != once["clip"]["synthetic"]["mean"]
    assert often["privacy"]["correlation_held_out"] == once["privacy"]["correlation_held_out"]
    assert once["diversity"] is None, "so few records make too few groups"
    assert any(note.startswith("diversity: fewer than 20 groups") for note in once["left_out"])
    rhythms = (metrics["rhythm"]["sinus"]["real_records"] for metrics in (once, often))
    assert len(set(rhythms)) == 1


def tables(metrics: dict, path: str = "") -> dict[str, set[str]]:
    """The keys of each table of numbers, by its own key; those of counts have a row for whatever was counted."""
    found = {path: set(metrics)} if not path.endswith(COUNTS) else {}
    for key, value in metrics.items():
        if isinstance(value, dict):
            found |= tables(value, f"{path}.{key}")
    return found


def nulls(metrics: dict, path: str = "") -> Iterator[str]:
    """The dotted keys of what is null."""
    for key, value in metrics.items():
        if isinstance(value, dict):
            yield from nulls(value, f"{path}{key}.")
        elif value is None:
            yield f"{path}{key}"


def test_few_records_give_null_in_the_place_of_what_many_give(trained, unchanged, vocabulary, tmp_path):
    many, few = unchanged, evaluated(trained, vocabulary, tmp_path, lambda x: x, times=(1, 0, 0, 0, 0, 0, 0))
    of_many, of_few = tables(many), tables(few)
    assert few["records"] < 30 and len(of_few) < len(of_many)
    assert {path: keys for path, keys in of_few.items() if of_many.get(path, keys) != keys} == {}
    assert few["dispersion"]["sinus"] is None or few["intervals"]["pr"]["all"] is None
    notes = [note.partition(":")[0] for note in few["left_out"]]
    assert len(notes) == len(set(notes))
    for metrics in (many, few):
        said = {note.partition(":")[0] for note in metrics["left_out"]}
        assert [key for key in nulls(metrics) if said.isdisjoint(accumulate(key.split("."), "{}.{}".format))] == []


def test_it_says_how_many_held_out_patients_the_judges_know(trained, unchanged, vocabulary, tmp_path):
    assert unchanged["judges"] == {"held_out_patients": 60, "seen_patients": 0}
    other = tmp_path / "trained"
    shutil.copytree(trained, other)
    known = Training.read(trained / "judges")
    known.model_copy(update={"patients": (*known.patients, "p000", "p004", "nobody")}).write(other / "judges")
    assert evaluated(other, vocabulary, tmp_path / "b", lambda x: x)["judges"]["seen_patients"] == 2
    known.model_copy(update={"pseudonym_key": "0" * 16}).write(other / "judges")
    unknown = evaluated(other, vocabulary, tmp_path / "c", lambda x: x)
    assert unknown["judges"]["seen_patients"] is None, "what cannot be told is not said to be none"
    assert any("seen_patients" in note for note in unknown["left_out"])


def test_a_canary_that_came_out_is_counted(trained, unchanged, vocabulary, tmp_path):
    other = tmp_path / "trained"
    shutil.copytree(trained, other)
    path = other / "corpus/records/shard-000.parquet"
    table = pl.read_parquet(path)
    rows = table.with_row_index().filter(pl.col("split") == "train")["index"].to_list()[:2]
    repairs = [["canary"] if row in rows else [] for row in range(len(table))]
    write_table(table.with_columns(repairs=pl.Series(repairs)).to_arrow().cast(pa.parquet.read_schema(path)), path)
    planted = read_signals(trained / "corpus/records")[rows]
    spread = evaluated(other, vocabulary, tmp_path / "a", lambda x: np.concatenate([np.roll(planted, 99, -1), x[2:]]))
    assert spread["privacy"]["canaries"]["planted"] == 2
    assert spread["privacy"]["canaries"]["came_out"] >= 2
    assert unchanged["privacy"]["canaries"] is None
    for name in ("canaries", "membership"):
        assert any(note.startswith(f"privacy.{name}: ") for note in unchanged["left_out"]), "and says so"


def test_a_training_record_that_comes_out_where_it_is_asked_for_is_counted(trained, unchanged, vocabulary, tmp_path):
    leaky = evaluated(trained, vocabulary, tmp_path, lambda x: x, leaked=3)["privacy"]
    for found, copies in ((unchanged["privacy"], 0), (leaky, 3)):
        assert (found["near_copies_training_conditions"], found["records_training_conditions"]) == (copies, 20)
    assert (
        leaky["highest_correlation_training_conditions"]
        > 0.99
        > unchanged["privacy"]["highest_correlation_training_conditions"]
    )


def test_few_real_records_asked_often_are_few(trained, vocabulary, tmp_path):
    metrics = evaluated(trained, vocabulary, tmp_path, lambda x: x, times=(20, *[0] * 9))
    assert metrics["records"] == 240
    assert metrics["clip"]["real_records"] == 12
    assert metrics["agreement"]["auroc_synthetic"] is not None
    assert metrics["agreement"]["auroc_real"] is None, "six records of a statement are too few to say"
    for name in ("distribution", "retrieval", "wordings", "logits", "spectra", "paired.rfid"):
        assert any(note.startswith(f"{name}: ") for note in metrics["left_out"]), f"of {name} it says so"


def test_asking_more_often_makes_no_interval_narrower(trained, unchanged, vocabulary, tmp_path):
    often = evaluated(trained, vocabulary, tmp_path, lambda x: x, times=(4,))
    for end in ("low", "high"):
        assert often["clip"]["synthetic"][end] == pytest.approx(unchanged["clip"]["synthetic"][end], rel=1e-5)


def test_reconstructions_are_compared_at_the_number_of_the_distribution(unchanged):
    assert unchanged["reconstruction"]["records_compared"] == unchanged["distribution"]["records_compared"] < 120


def test_without_any_heart_rate_the_rest_is_measured(trained, vocabulary, tmp_path):
    other = tmp_path / "trained"
    shutil.copytree(trained, other)
    shutil.rmtree(other / "corpus")
    write_records(other / "corpus", LABELS, missing=("heart_rate",))
    metrics = evaluated(other, vocabulary, tmp_path, lambda x: x)
    assert metrics["heart_rate"]["mae_bpm"] is None
    assert metrics["agreement"]["auroc_synthetic"] > 0.9


def test_the_floor_is_of_validated_held_out_records_where_there_are_enough():
    columns = pl.DataFrame({"split": ["train", "test", "test", "test"], "human_validated": [True, True, False, None]})
    assert floor_rows(columns, 1).tolist() == [False, True, False, False]
    assert floor_rows(columns, 2).tolist() == [False, True, True, True]
