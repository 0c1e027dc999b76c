"""Slices: who is in which, and faults of a part that the whole does not show."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from sediff.evaluation import slices
from sediff.evaluation.agreement import mean_auroc, ratio_to_real
from sediff.evaluation.distribution import coverage_density, frechet_distance
from sediff.evaluation.halves import SETS
from sediff.evaluation.slices import (
    DIFFERENCES,
    DISTANCES,
    IDEAL,
    Quantities,
    compare_slices,
    is_worse,
    slices_of,
)
from sediff.report.gates import half_width

COUNT = 600
FEATURES = 4
GROUP = 5  # of those with like conditions
RATE_FAULT, RHYTHM_FAULT = 12.0, 0.08  # bpm; RMSSD / mean RR


def people() -> tuple[pl.DataFrame, list[list[str]], np.ndarray]:
    """Rows of the corpus, statements and patients: each with two records; a twelfth are women over 75."""
    number = np.arange(COUNT) // 2
    rows = pl.DataFrame(
        {
            "sex": np.where(number % 2 == 0, "female", "male"),
            "age": np.choose(number % 6, [80, 50, 50, 80, 30, 65]).astype(float),
            "source": ["a"] * COUNT,
            "site": np.where(number % 5 == 0, "1", ""),
            "device": np.where(number < 5, "old", "new"),
        }
    )
    return rows, [["NORM"] if i % 2 else ["LVH"] for i in range(COUNT)], number.astype(str)


def quantities(wrong: np.ndarray | None = None, seed: int = 0) -> Quantities:
    """A generator as good as real records but for the rows `wrong`, whose rate, rhythm and look are others'."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(COUNT, bool) if wrong is None else wrong

    def sets(*shape: int, fault: float = 0.0, noise: float = 1.0) -> dict[str, np.ndarray]:
        found = {name: rng.normal(0, noise, (COUNT, *shape)) for name in SETS}
        found["synthetic"][wrong] += fault
        return found

    readings = {name: sets(noise=0.02) for name in {*DIFFERENCES.values(), *DISTANCES}}
    readings["dispersion"] = sets(fault=RHYTHM_FAULT, noise=0.02)
    readings["impossible"] = {name: (rng.random(COUNT) < 0.05).astype(float) for name in SETS}
    readings["impossible"]["synthetic"][wrong] = rng.random(wrong.sum()) < 0.3
    readings["near_copies"] = {name: np.zeros(COUNT) for name in ("synthetic", "real")}
    readings["near_copies"]["synthetic"][np.flatnonzero(wrong)[::4]] = 1
    features = sets(FEATURES, fault=9.0)
    alike = np.flatnonzero(wrong).reshape(-1, GROUP)
    features["synthetic"][alike] = features["synthetic"][alike].mean(1, keepdims=True) + 0.1 * rng.normal(
        size=(*alike.shape, FEATURES)
    )
    truth = np.arange(COUNT)[:, None] % 2 == np.arange(2)
    return Quantities(
        asked=np.full(COUNT, 70.0),
        rate={name: 70 + of for name, of in sets(fault=RATE_FAULT).items()},
        readings=readings,
        spreads={name: np.exp(of) for name, of in sets(8, fault=-0.7, noise=0.2).items()},
        powers={name: np.exp(of) for name, of in sets(8, 5, fault=0.7, noise=0.5).items() if name != "reconstructed"},
        features=features,
        groups=[rows for mask in (wrong, ~wrong) for rows in np.flatnonzero(mask).reshape(-1, GROUP)],
        truth=truth,
        logits={name: 2.0 * truth + of for name, of in sets(2).items()},
        neighbours=5,
        min_records=50,
    )


def compared(found: Quantities, draws: int = 40) -> dict:
    rows, statements, patients = people()
    return compare_slices(found, slices_of(rows, statements, ["LVH", "NORM", "WPW"]), patients, draws, 0)


def marked(found: dict) -> dict[str, list[str]]:
    return {
        f"{kind} {name}": values["worse"]
        for kind, of_kind in found.items()
        for name, values in of_kind.items()
        if isinstance(values, dict) and values.get("worse")
    }


def test_slices_cover_every_record_once_in_each_kind_but_statements():
    rows = pl.DataFrame({"sex": ["female", "male", None, "male"], "age": [39.9, 40.0, None, 90.0], "source": ["a"] * 4})
    rows = rows.with_columns(site=pl.Series(["1", "", "2", "1"]), device=pl.lit("AT-6"))
    found = slices_of(rows, [["SR"], ["SR", "LVH"], [], ["LVH"]], ["LVH", "SR", "WPW"])
    for kind in ("sex", "age", "sex_and_age", "source", "site", "device"):
        assert np.sum([mask for _, mask in found[kind]], axis=0).tolist() == [1] * 4, kind
    assert [name for name, _ in found["site"]] == ["1", "2", "unknown"]
    ages = {name: np.flatnonzero(mask).tolist() for name, mask in found["age"]}
    assert ages == {"under_40": [0], "40_to_60": [1], "over_75": [3], "unknown": [2]}
    assert [name for name, _ in found["sex_and_age"]] == [
        "female_under_40", "male_40_to_60", "male_over_75", "unknown_unknown",
    ]  # fmt: skip
    assert {name: mask.tolist() for name, mask in found["statement"]} == {
        "LVH": [False, True, False, True],
        "SR": [True, True, False, False],
        "WPW": [False] * 4,
    }


def test_what_is_fine_on_average_and_wrong_for_women_over_75_is_marked():
    rows, _, _ = people()
    women_over_75 = ((rows["sex"] == "female") & (rows["age"] > 75)).to_numpy()
    found = compared(quantities(women_over_75))
    assert women_over_75.mean() < 0.17
    assert found["all"]["conditions"]["mae_bpm"]["value"] < 3, "the average hides it"
    worse = marked(found)
    faults = {
        "mae_bpm", "dispersion", "deviation_ratio", "coverage", "density", "diversity", "impossible", "near_copies",
        "dispersion_distance", "spectra_distance", "kid", "fd_distance",
    }  # fmt: skip
    assert faults <= set(worse["sex_and_age female_over_75"])
    assert {"mae_bpm", "dispersion"} <= set(worse["age over_75"]) & set(worse["sex female"])
    for fine in ("sex male", "age 40_to_60", "sex_and_age male_over_75", "sex_and_age female_40_to_60"):
        assert not faults & set(worse.get(fine, [])), fine
    assert found["sex_and_age"]["female_over_75"]["mae_bpm"]["value"] == pytest.approx(RATE_FAULT, abs=0.5)
    assert found["sex_and_age"]["female_over_75"]["dispersion"]["value"] == pytest.approx(RHYTHM_FAULT, abs=0.01)
    assert found["sex_and_age"]["female_over_75"]["near_copies"]["value"] == pytest.approx(1 / 4)
    assert found["sex_and_age"]["female_over_75"]["diversity"]["value"] == pytest.approx(0.1, rel=0.2)


def test_a_generator_that_is_as_good_everywhere_is_marked_no_more_often_than_chance_allows():
    found = compared(quantities())
    told = [values for of_kind in found.values() for values in of_kind.values() if isinstance(values, dict)]
    figures = sum(values[figure] is not None for values in told for figure in IDEAL)
    assert sum(len(values) for values in marked(found).values()) < 0.15 * figures


def test_kid_and_fd_are_of_the_slice_s_own_records_beside_the_floor():
    rows, _, _ = people()
    men = (rows["sex"] == "male").to_numpy()
    found = compared(quantities(men))["sex"]
    assert found["female"]["kid"]["low"] < 0 < found["female"]["kid"]["high"]
    assert abs(found["female"]["kid"]["value"]) < 3 * found["female"]["kid_floor"]
    assert found["female"]["fd_distance"]["low"] < 1 < found["female"]["fd_distance"]["high"]
    shift = 9.0  # in each of the features, whose deviation is 1: FD is the sum of its squares
    assert found["male"]["kid"]["low"] > 100 * found["female"]["kid_floor"]
    planted = FEATURES * shift**2 / real_halves(men)
    assert found["male"]["fd_distance"]["value"] == pytest.approx(planted, rel=0.3)


def real_halves(rows: np.ndarray) -> float:
    """Mean FD of random halves of the real records of some rows, each patient's in one half."""
    real, rng = quantities(rows).features["real"][rows], np.random.default_rng(3)
    pairs = real.reshape(-1, 2, FEATURES)
    halves = [rng.permutation(pairs) for _ in range(40)]
    middle = len(pairs) // 2
    return float(
        np.mean(
            [frechet_distance(of[:middle].reshape(-1, FEATURES), of[middle:].reshape(-1, FEATURES)) for of in halves]
        )
    )


def test_the_interval_of_kid_is_as_wide_as_its_values_of_other_patients_lie_apart(monkeypatch):
    """Of 240 patients, of whose halves 50 are compared: an interval of the draws themselves is √(190 / 50) too wide."""
    monkeypatch.setattr(slices, "MOST", 50)
    count, shift = 240, np.full(FEATURES, 0.5)
    rng, patients = np.random.default_rng(7), np.arange(240).astype(str)
    found = []
    for seed in range(80):
        real, made = rng.normal(size=(count, FEATURES)), rng.normal(size=(count, FEATURES)) + shift
        quantity = replace(quantities(), features={"real": real, "synthetic": made})
        of = slices._in_features(quantity, np.ones(count, bool), patients, 40, np.random.default_rng(seed))
        found.append([(of[name]["value"], of[name]["low"], of[name]["high"]) for name in ("kid", "fd_distance")])
    values, low, high = np.moveaxis(np.array(found), -1, 0)
    inside = (low < values.mean(0)) & (values.mean(0) < high)
    assert (inside.mean(0) >= 0.88).all() and (inside.mean(0) <= 0.99).all()
    assert ((high - low).mean(0) / (2 * 1.96 * values.std(0))) == pytest.approx(1, abs=0.3)


def test_the_floor_of_kid_has_no_interval_that_a_gate_would_take_for_its_own():
    metrics = {"evaluation": compared(quantities(), draws=5)["all"]["conditions"]}
    assert half_width(metrics, "evaluation.kid.value") > 0 == half_width(metrics, "evaluation.kid_floor")


def test_figures_that_are_none_are_named_in_the_slice_s_note():
    few = np.arange(COUNT) < 2 * 30
    found = compare_slices(quantities(), {"site": [("one", few)]}, people()[2], 5, 0)["site"]["one"]
    assert found["worse"] == [] or set(found["worse"]) <= set(IDEAL)
    for figure in (figure for figure in IDEAL if found[figure] is None):
        assert figure in found["left_out"]


def test_kid_needs_more_patients_than_the_other_figures():
    few = np.arange(COUNT) < 2 * 30
    found = compare_slices(quantities(), {"site": [("one", few)]}, people()[2], 5, 0)["site"]["one"]
    assert found["mae_bpm"] and found["pr_distance"]
    assert found["kid"] is None and found["fd_distance"] is None


def test_a_slice_of_few_patients_is_left_out_by_name():
    found = compared(quantities(), draws=3)
    assert found["device"]["old"] is None and "old" in found["device"]["left_out"]
    assert found["statement"]["WPW"] is None, "the vocabulary's statements have a key, whether they occur or not"
    assert found["device"]["new"]["records"] == COUNT - 10


def test_the_figures_of_all_records_are_those_computed_at_once():
    q = quantities()
    whole = compared(q, draws=3)["all"]["conditions"]
    assert whole["mae_bpm"]["value"] == pytest.approx(np.abs(q.rate["synthetic"] - 70).mean())
    coverage, density = coverage_density(q.features["real"], q.features["synthetic"], 5)
    assert whole["coverage"]["value"] == pytest.approx(coverage)
    auroc = {
        of: np.mean([roc_auc_score(q.truth[:, c], q.logits[of][:, c]) for c in (0, 1)]) for of in ("synthetic", "real")
    }
    assert whole["auroc_over_real"]["value"] == pytest.approx(auroc["synthetic"] / auroc["real"])
    assert whole["density"]["value"] == pytest.approx(density)
    assert all(whole[figure]["low"] <= whole[figure]["high"] for figure in IDEAL)


def test_better_than_the_whole_or_within_its_interval_is_not_worse():
    whole = {"value": -3.0}
    assert is_worse("qtcf", {"low": 4.0, "high": 6.0}, whole), "on the other side, and further"
    assert is_worse("qtcf", {"low": -6.0, "high": -4.0}, whole)
    for low, high in ((-2.0, -1.0), (-4.0, -2.0), (-1.0, 9.0)):
        assert not is_worse("qtcf", {"low": low, "high": high}, whole)
    assert is_worse("coverage", {"low": 0.5, "high": 0.8}, {"value": 0.9})
    assert not is_worse("coverage", {"low": 0.95, "high": 1.0}, {"value": 0.9})
    assert not is_worse("pr_distance", {"low": 0.6, "high": 0.8}, {"value": 0.95}), "nearer than the floor"


def test_records_of_one_patient_have_no_distances_and_break_nothing():
    found = compare_slices(quantities(), {}, np.full(COUNT, "p"), 5, 0)["all"]["conditions"]
    assert found["mae_bpm"]["low"] <= found["mae_bpm"]["value"] <= found["mae_bpm"]["high"]
    assert not any(found[name] for name in found if name.endswith("_distance") or name == "kid")


def test_a_draw_without_a_case_tells_no_ratio():
    rng = np.random.default_rng(0)
    truth, own, real = np.arange(40)[:, None] < 20, rng.random((40, 1)), rng.random((40, 1))
    ratio, of_draws = ratio_to_real(mean_auroc, truth, own, real, [np.arange(20, 40), np.arange(40)])
    assert of_draws == [ratio] == [pytest.approx(mean_auroc(truth, own) / mean_auroc(truth, real))]


def test_mean_auroc_is_scikit_learn_s_with_ties_too():
    rng = np.random.default_rng(0)
    truth = rng.random((200, 3)) < 0.3
    for scores in (rng.integers(0, 6, (200, 3)).astype(float), rng.normal(size=(200, 3)), np.zeros((200, 3))):
        wanted = np.mean([roc_auc_score(truth[:, c], scores[:, c]) for c in range(3)])
        assert mean_auroc(truth, scores) == pytest.approx(wanted)
        with_none = np.column_stack([truth, np.zeros(200, bool)])
        assert mean_auroc(with_none, np.column_stack([scores, scores[:, 0]])) == pytest.approx(wanted)
    assert np.isnan(mean_auroc(np.zeros((5, 2), bool), np.zeros((5, 2))))
