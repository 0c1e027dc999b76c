"""Gates against the served version, with the uncertainty of both, and metrics that a stage says it left out."""

from pathlib import Path

import numpy as np
import pytest

from sediff.evaluation.distribution import distances
from sediff.evaluation.halves import SETS
from sediff.evaluation.meaning import auroc_over_real
from sediff.params import Params
from sediff.publication.gate import lines
from sediff.report.gates import check_gates, half_width, metric_at
from sediff.report.params import GatesParams

ROOT = Path(__file__).parents[2]


def metrics(value: float, half: float | None = None) -> dict:
    interval = {} if half is None else {"low": value - half, "high": value + half}
    return {"evaluation": {"distribution": {"fd": {"median": value, **interval}}}}


def check(gate: dict, now: dict, served: dict | None = None):
    gates = GatesParams.model_validate({"evaluation.distribution.fd.median": gate})
    return check_gates(now, gates, served)


def test_a_rise_beyond_what_chance_allows_fails_and_says_by_how_much():
    before = metrics(1.0, 0.3)
    (steady,) = check({"rise": 0.5}, metrics(1.9, 0.4), before)
    assert steady.passed, "0.9 ± 0.5 may well be 0.5"
    (risen,) = check({"rise": 0.5}, metrics(2.1, 0.4), before)
    assert not risen.passed
    assert risen.missed == ("rose by 1.1 ± 0.5 from 1 in the served version",)
    (fallen,) = check({"rise": 0.5}, metrics(0.1, 0.0), before)
    assert fallen.passed, "a rise is no fall"


def test_without_intervals_the_difference_itself_counts():
    assert not check({"fall": 0.05}, metrics(0.84), metrics(0.9))[0].passed
    assert check({"fall": 0.05}, metrics(0.86), metrics(0.9))[0].passed


def test_half_a_width_is_of_the_interval_beside_the_metric():
    assert half_width(metrics(1.0, 0.3), "evaluation.distribution.fd.median") == pytest.approx(0.3)
    assert half_width(metrics(1.0), "evaluation.distribution.fd.median") == 0
    own = {"evaluation": {"coverage": 0.8, "coverage_interval": {"low": 0.7, "high": 0.9}, "low": 0, "high": 9}}
    assert half_width(own, "evaluation.coverage") == pytest.approx(0.1), "its own goes before that of all"
    assert half_width(metrics(1.0, 0.3), "evaluation.distribution.fd.high") == 0, "an end of it has none of its own"


def test_what_is_asked_against_the_served_version_has_an_interval_beside_it():
    """As the evaluation writes them: a metric without one would fall by chance."""
    of_coverage = distances(*alike(), neighbours=3, draws=5, rng=np.random.default_rng(0))
    truth = np.arange(60).reshape(-1, 1) % 2 == 0
    judged = {name: truth * 0.5 + np.random.default_rng(seed).random(truth.shape) for seed, name in enumerate(SETS)}
    of_meaning = auroc_over_real(truth, judged, [np.arange(60), np.arange(50)])
    written = {"evaluation": {"distribution": of_coverage, "agreement": of_meaning}}
    relative = Params.load(ROOT / "params.yaml").gates.relative.root
    assert relative
    for metric in relative:
        assert metric_at(written, metric) is not None
        assert half_width(written, metric) > 0


def alike() -> tuple:
    rng = np.random.default_rng(2)
    features, patients = rng.normal(size=(80, 4)), [f"p{row}" for row in range(80)]
    return features, patients, {"synthetic": rng.normal(size=(60, 4))}, ["nobody"] * 60


def test_absolute_and_relative_bounds_stand_together():
    (both,) = check({"max": 1.5, "rise": 0.1}, metrics(2.0), metrics(1.0))
    assert both.missed == ("0.5 too much", "rose by 1 ± 0 from 1 in the served version")
    assert both.bound == "at most 1.5 and above the served by at most 0.1"


def test_without_a_served_version_relative_gates_are_not_said_to_pass():
    assert check({"rise": 0.1}, metrics(2.0)) == []
    (absolute,) = check({"max": 3, "rise": 0.1}, metrics(2.0))
    assert (absolute.passed, absolute.bound) == (True, "at most 3")
    (new,) = check({"rise": 0.1}, metrics(2.0), {"evaluation": {}})
    assert new.passed, "a metric that the served version lacks has nothing to be compared with"


@pytest.mark.parametrize(
    ("gate", "distance"),
    [({"max": 1.5}, 0.5), ({"min": 1.5}, -0.5), ({"min": 1, "max": 5}, -1.0), ({"min": 3, "max": 5}, 1.0)],
)
def test_the_distance_is_from_the_nearest_bound_and_negative_inside(gate, distance):
    (result,) = check(gate, metrics(2.0))
    assert result.distance == distance
    assert result.passed == (distance <= 0)


def test_what_has_no_value_or_no_absolute_bound_has_no_distance():
    assert check({"max": 1}, {})[0].distance is None
    assert check({"rise": 1}, metrics(2.0), metrics(2.0))[0].distance is None


def test_an_optional_metric_passes_only_where_its_stage_says_that_it_left_it_out():
    gates = GatesParams.model_validate({"evaluation.privacy.membership.tpr": {"max": 0.025, "optional": True}})
    said = {"evaluation": {"left_out": ["privacy.membership: too few strangers for a verdict"]}}
    other = {"evaluation": {"left_out": ["privacy.member: something else", "distribution: too few"]}}
    assert check_gates(said, gates)[0].passed
    assert not check_gates(other, gates)[0].passed
    assert not check_gates({"evaluation": {}}, gates)[0].passed
    for of_part in (None, {"tpr": None}):
        null = {"privacy": {"membership": of_part}}
        (silent,) = check_gates({"evaluation": {**null, "left_out": []}}, gates)
        assert silent.missed == ("not measured",), "a null alone does not say why"
        assert check_gates({"evaluation": {**null, **said["evaluation"]}}, gates)[0].passed
    strict = GatesParams.model_validate({"evaluation.privacy.membership.tpr": {"max": 0.025}})
    assert not check_gates(said, strict)[0].passed


def test_what_is_asked_against_the_served_version_can_be_asked_alone():
    gates = GatesParams.model_validate({"a.b": {"max": 1, "rise": 2}, "a.c": {"min": 1}})
    assert list(gates.relative.root) == ["a.b"]
    (alone,) = check_gates({"a": {"b": 5}}, gates.relative, {"a": {"b": 1}})
    assert alone.missed == ("rose by 4 ± 0 from 1 in the served version",)
    assert check_gates({}, gates.relative, {"a": {"b": 1}})[0].passed, "the absolute gate says that it is missing"


def test_the_lines_say_which_failed_and_by_how_much():
    gates = GatesParams.model_validate({"a.b": {"max": 1}, "a.c": {"min": 1}, "a.d": {"min": 1}})
    told = list(lines(check_gates({"a": {"b": 5, "c": 2}}, gates), None))
    assert told == [
        "FAILED  a.b 5 (at most 1): 4 too much",
        "passed  a.c 2 (at least 1)",
        "FAILED  a.d not measured (at least 1): not measured",
        "2 of 3 gates failed; no other version is served to compare with",
    ]
