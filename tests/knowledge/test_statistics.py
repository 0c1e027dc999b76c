import numpy as np
import polars as pl
import pytest

from sediff.knowledge import statistics
from sediff.knowledge.measures import AXIS, SLICES, VALUES
from sediff.knowledge.retrieval import Neighbours
from sediff.knowledge.statistics import deviation, measurements, overall, quartiles, sufficient, summarise

CODES = ("AFIB", "SR")


def of(rows, named, training, weights=None):
    """Statistics of neighbours that all count the same, unless weights are given."""
    near = Neighbours(np.array(rows), np.zeros(np.shape(rows)))
    counted = (near.rows >= 0) if weights is None else np.array(weights)
    return summarise(near, counted.astype(np.float32), named, training, measurements(training), CODES)


@pytest.fixture
def training() -> pl.DataFrame:
    fit = [0.5] * 40
    return pl.DataFrame(
        {
            "heart_rate": [60.0, 80.0, None, 100.0],
            "rmssd": [10.0, 30.0, 20.0, None],
            "axis": [170.0, -175.0, -160.0, None],
            "st": [[1.0] * 11 + [None], [3.0] * 12, [], None],
            "theta": [fit, [1.5] * 40, None, None],
            "statements": [["SR"], ["AFIB", "SR"], ["AFIB"], []],
        }
    )


def test_quartiles_equal_numpys_and_leave_nan_out():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, VALUES, 9)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0, 0] = np.nan
    given = values.copy()
    *found, known = quartiles(values, np.full((50, 9), 0.3, np.float32))
    for quantile, share in zip(found, (0.25, 0.5, 0.75), strict=True):
        with pytest.warns(RuntimeWarning, match="All-NaN"):
            wanted = np.nanquantile(given, share, axis=-1)
        np.testing.assert_allclose(quantile, wanted, atol=1e-4)  # the axis is turned by 180 in single precision
    assert (known == (~np.isnan(given)).sum(-1)).all()


def test_statistics_are_those_of_the_neighbours(training):
    found = of([[0, 1, 2], [3, -1, -1], [-1, -1, -1]], [[], [], []], training)
    assert found.counts.tolist() == [3, 1, 0]
    rate = found["heart_rate"]
    assert rate.median[:2, 0].tolist() == [70, 100]
    assert rate.spread[:2, 0].tolist() == [10, 0]
    assert rate.known[:, 0].tolist() == [2, 1, 0]
    assert found["rmssd"].median[0] == 20
    assert np.isnan(found["rmssd"].median[1:]).all() and np.isnan(rate.median[2]).all()
    assert found["st"].median[0].tolist() == [2] * 11 + [3]
    assert found["st"].known[0].tolist() == [2] * 11 + [1]
    assert found.shares == pytest.approx(np.array([[2 / 3, 2 / 3], [0, 0], [0, 0]]))
    assert found.row(0).value("heart_rate") == 70 and found.row(2).value("heart_rate") is None


def test_a_record_without_a_fit_counts_in_no_morphology_and_a_corpus_without_any_has_none(training):
    rows = [[0, 1, 2]]
    found = of(rows, [[]], training)["theta"]
    assert found.median[0].tolist() == [1.0] * 40 and found.known[0].tolist() == [2] * 40
    none = training.with_columns(theta=pl.lit(None, dtype=pl.Array(pl.Float32, 40)))
    for without in (none, none.drop("theta")):
        found = of(rows, [[]], without)["theta"]
        assert np.isnan(found.median).all() and not found.known.any()


def test_what_the_condition_names_itself_is_no_further_statement(training):
    found = of([[0, 1, 2]], [["SR"]], training)
    assert found.shares[0].tolist() == pytest.approx([2 / 3, 0])


def test_a_neighbour_counts_as_its_weight_says(training):
    rows = [[0, 1, 3]]  # 60, 80 and 100 bpm
    equal, unlike = of(rows, [[]], training), of(rows, [[]], training, [[1, 1, 1e-6]])
    assert equal["heart_rate"].median[0, 0] == 80 and equal["heart_rate"].spread[0, 0] == 20
    assert unlike["heart_rate"].median[0, 0] == pytest.approx(70, abs=1e-3), "as of the other two"
    alone = of(rows, [[]], training, [[1e-6, 1, 1e-6]])["heart_rate"]
    assert (alone.low[0, 0], alone.high[0, 0]) == pytest.approx((80, 80), abs=1e-3)
    assert unlike["heart_rate"].known[0, 0] == 3 and unlike.counts[0] == 3
    assert unlike.shares[0].tolist() == pytest.approx([0.5, 1], abs=1e-5)
    heavy = of([[0, 1, 2]], [[]], training, [[1, 3, 1]])
    assert heavy.shares[0].tolist() == pytest.approx([0.8, 0.8])
    # Of 60 and 80 bpm, of which the second has three fourths of the weight: n = 1.6, so the middle 5/8 of the weight.
    assert heavy["heart_rate"].median[0, 0] == pytest.approx(0.1 * 60 + 0.9 * 80)


def test_weights_that_repeat_a_neighbour_do_as_its_repetition(training):
    """A known answer with many values: one of weight w stands for w that are equal."""
    rng = np.random.default_rng(1)
    values = rng.normal(70, 10, 400).astype(np.float32)
    weights = rng.integers(1, 6, 400)
    many = pl.DataFrame({"heart_rate": values, "statements": [[]] * 400}, schema_overrides={"statements": list[str]})
    found = of([range(400)], [[]], many, [weights])["heart_rate"]
    repeated = np.repeat(values, weights)
    for quartile, share in ((found.low, 25), (found.median, 50), (found.high, 75)):
        assert quartile[0, 0] == pytest.approx(np.percentile(repeated, share), abs=0.1)


def test_the_axis_is_halved_on_the_circle(training):
    found = of([[0, 1, 2, 3]], [[]], training)["axis"]
    assert found.median[0, 0] == pytest.approx(-175, abs=1e-3)
    assert found.spread[0, 0] == pytest.approx(15, abs=1e-3)
    assert found.low[0, 0] < found.median[0, 0] < found.high[0, 0]
    assert found.known[0, 0] == 3
    rng = np.random.default_rng(0)
    axes = rng.normal(0, 30, size=(20, 11)).astype(np.float32)
    values = np.full((20, VALUES, 11), np.nan, np.float32)
    for turn in (0, 100, 180, -90):
        values[:, AXIS] = (axes + turn + 180) % 360 - 180
        median = quartiles(values.copy(), np.ones((20, 11), np.float32))[1][:, AXIS]
        np.testing.assert_allclose(deviation("axis", median, np.median(axes, 1) + turn), 0, atol=1e-3)


def test_deviations_of_the_axis_are_angles_and_of_others_differences():
    assert deviation("axis", np.array([-170.0]), np.array([170.0])).tolist() == [20]
    assert deviation("pr", np.array([120.0]), np.array([170.0])).tolist() == [50]


def test_the_medians_of_all_rows(training):
    assert overall(measurements(training))[SLICES["heart_rate"]].tolist() == [80]


def test_blocks_change_nothing(training, monkeypatch):
    rows = np.random.default_rng(0).integers(-1, 4, (30, 5))
    whole = of(rows, [["SR"], []] * 15, training)
    monkeypatch.setattr(statistics, "VALUES_PER_BLOCK", VALUES * 5 * 4)
    assert of(rows, [["SR"], []] * 15, training) == whole


@pytest.mark.parametrize(
    ("known", "weights", "told"),
    [
        (3, [1, 1, 1, 1, 1, 1], True),  # half of them
        (3, [1, 1, 1, 1, 1, 1.1], False),
        (3, [1, 1, 1, 0.5, 0.5, 0.5], True),
        (3, [0.1, 0.1, 0.1, 1, 0, 0], False),  # the one that weighs most has none
        (2, [1, 1, 0, 0, 0, 0], False),  # all the weight, but of two only
        (6, [1, 1, 1, 1, 1, 1], True),
    ],
)
def test_what_most_neighbours_lack_is_not_expected_and_its_count_stays(known, weights, told):
    """Atrial fibrillation: 3 of 150 neighbours had a PR interval, and their median was told."""
    values = [160.0 if row < known else None for row in range(6)]
    training = pl.DataFrame({"pr": values, "qt": [380.0] * 6, "statements": [["SR"]] * 6})
    near, counted = Neighbours(np.arange(6)[None], np.ones((1, 6))), np.array([weights], np.float32)
    found = of(near.rows, [[]], training, counted)
    expected = sufficient(found, near, counted, measurements(training))
    assert found["pr"].median[0, 0] == 160
    assert np.isfinite(expected["pr"].median[0, 0]) == np.isfinite(expected["pr"].low[0, 0]) == told
    assert expected["pr"].known[0, 0] == known and expected["qt"].median[0, 0] == 380
    assert (expected.shares == found.shares).all()
