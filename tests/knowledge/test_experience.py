import numpy as np
import polars as pl
import pytest

from sediff.errors import UserError
from sediff.knowledge.distill import Distilled, distil_offline
from sediff.knowledge.experience import (
    FILE,
    MEASURED_VALUES,
    SCALES,
    SCHEMA,
    Experience,
    experience_rows,
    experience_values,
    read_experiences,
    value_count,
    write_experiences,
)
from sediff.knowledge.measures import MEASURED, SIZES, SLICES, VALUES
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.statistics import measurements, sufficient, summarise
from sediff.knowledge.table import experience_row, experience_table


@pytest.fixture
def training(vocabulary) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    columns = {
        name: rng.uniform(50, 100, 4).tolist() if size == 1 else rng.uniform(0, 1, (4, size)).tolist()
        for name, size in SIZES.items()
    }
    columns["pr"] = [None] * 4
    columns["theta"][0] = None
    statements = [["AFIB"], ["AFIB", "LVH"], ["SR"], ["SR"]]
    return pl.DataFrame({"record_id": list("abcd"), "statements": statements, **columns})


def equal(near: Neighbours) -> np.ndarray:
    """Weights of neighbours that all count the same."""
    return (near.rows >= 0).astype(np.float32)


@pytest.fixture
def table(training, vocabulary) -> pl.DataFrame:
    """Of three conditions: three neighbours, one, none."""
    near = Neighbours(
        np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]]), np.array([[0.9, 0.8, 0.7], [0.5, 0, 0], [0] * 3])
    )
    named = [["LVH"], ["SR"], []]
    statistics = summarise(near, equal(near), named, training, measurements(training), vocabulary.codes)
    expected = sufficient(statistics, near, equal(near), measurements(training))
    distilled = distil_offline(expected, np.array([0.4, 0.2, 0]), named, vocabulary)
    distilled[1] = Distilled(distilled[1].report, "offline", "refusal")
    return experience_table(["e1", "e2", "e3"], ["x", "y", "z"], distilled, near, statistics, training)


def test_rows_are_what_was_written(table, tmp_path):
    write_experiences(table, tmp_path / FILE)
    one, two, three = read_experiences(tmp_path)
    assert pl.read_parquet(tmp_path / FILE).schema == pl.Schema(SCHEMA)
    assert (one.neighbours, two.neighbours, three.neighbours) == (("a", "b", "c"), ("d",), ())
    assert one.similarities == pytest.approx([0.9, 0.8, 0.7])
    assert (one.distiller, one.fallback_reason, two.fallback_reason) == ("offline", None, "refusal")
    assert one.report.rhythm == "atrial fibrillation 67 % or sinus rhythm 33 %" and one.report.confidence == 0.4
    assert one.report.heart_rate and one.report.pr is None and two.report.heart_rate is None
    assert three.report.cited == () and three.statistics.counts == 0
    assert [e.record_id for e in read_experiences(tmp_path, ["z", "x"])] == ["z", "x"]
    assert read_experiences(tmp_path)[0] == one != two
    assert table["measured_pr"].struct.field("median").null_count() == 3


def test_an_experience_is_the_row_it_was_read_from(table):
    for row, experience in zip(table.iter_rows(named=True), experience_rows(table), strict=True):
        assert repr(experience_row(experience)) == repr(row), "not ==, for NaN is not NaN"


def test_what_is_measured_survives_the_table(table, training, vocabulary):
    near = Neighbours(np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]]), np.zeros((3, 3)))
    named = [["LVH"], ["SR"], []]
    statistics = summarise(near, equal(near), named, training, measurements(training), vocabulary.codes)
    for experience, own in zip(experience_rows(table), statistics.rows(), strict=True):
        assert experience.statistics == own
    assert experience_rows(table)[0].statistics["theta"].known.tolist() == [2] * 40


def test_values_follow_the_stated_layout(table, vocabulary):
    experience = experience_rows(table)[0]
    own, count = experience.statistics, len(vocabulary.codes)
    values = experience_values(experience, count)
    assert values.shape == (value_count(count),) and values.dtype == np.float32
    assert values[:count].tolist() == own.shares.tolist()
    measured, morphology = values[count : count + MEASURED_VALUES], values[count + MEASURED_VALUES :]
    assert set(SCALES) == set(SIZES)
    assert measured[0] == pytest.approx(np.arcsinh((own.value("heart_rate") - 70) / 20))
    axis, sine = SLICES["axis"].start, MEASURED.stop
    assert np.rad2deg(np.arctan2(measured[sine], measured[axis])) == pytest.approx(own.value("axis"), abs=1e-3)
    spread, known = np.split(measured[sine + 1 :], 2)
    assert spread[0] == pytest.approx(np.arcsinh(own["heart_rate"].spread[0] / 20))
    assert known == pytest.approx(np.arcsinh(own.known[MEASURED] / 10))
    pr = SLICES["pr"].start
    assert np.isnan(measured[pr]) and np.isnan(spread[pr]) and known[pr] == 0
    fitted = VALUES - MEASURED.stop
    assert morphology[:40] == pytest.approx(np.arcsinh(own["theta"].median / 0.5))
    assert morphology[fitted + 40] == pytest.approx(np.arcsinh(own["a"].spread[0] / 20))
    assert morphology[-1] == pytest.approx(np.arcsinh(0.2))


def test_usual_values_are_about_one_and_none_is_far_out(table, vocabulary):
    for experience in experience_rows(table)[:2]:
        values = experience_values(experience, len(vocabulary.codes))
        assert np.nanmax(np.abs(values)) < 8


def test_no_experience_is_all_missing_and_no_neighbour_is_not(table):
    assert np.isnan(experience_values(None, 3)).all()
    nobody: Experience = experience_rows(table)[2]
    values = experience_values(nobody, len(nobody.statistics.shares))
    assert not np.isnan(values).all() and not np.nansum(np.abs(values))


def test_a_missing_out_and_one_of_another_version_are_named(tmp_path, table):
    with pytest.raises(UserError, match=r"experience\.parquet is missing"):
        read_experiences(tmp_path)
    table.write_parquet(tmp_path / FILE)
    with pytest.raises(UserError, match=r"experience\.parquet is of another version: run the knowledge stage"):
        read_experiences(tmp_path)
    write_experiences(table, tmp_path / FILE)
    with pytest.raises(UserError, match="no experience for record nobody"):
        read_experiences(tmp_path, ["nobody"])
