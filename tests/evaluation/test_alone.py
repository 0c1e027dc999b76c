"""The simulator alone beside the sets: it takes nothing from them, and one like synthetic records has their figures."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from sediff.bootstrap import patient_draws
from sediff.evaluation.alone import baseline_of, counting, with_simulator
from sediff.evaluation.beats import means_by_stratum
from sediff.evaluation.dispersion import dispersion_distances
from sediff.evaluation.effects import effect
from sediff.evaluation.evaluate import without_notes
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SIMULATOR, SYNTHETIC, Floats
from sediff.evaluation.impossible import shares
from sediff.evaluation.intervals import compare_beats, compare_leads
from sediff.evaluation.readings import Readings
from sediff.evaluation.rhythm import rates_by_rhythm
from sediff.evaluation.rules import RULES
from sediff.evaluation.strata import FEW_PATIENTS

COUNT = 400
PATIENTS = np.repeat([f"p{i}" for i in range(COUNT // 2)], 2)
STRATA = np.array(["sinus", "sinus", "sinus", "fibrillation"])[np.arange(COUNT) % 4]
EVERYBODY = np.ones(COUNT, bool)
DRAWS = 10


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def values(*shape: int, missing: bool = True) -> dict[str, Floats]:
    """Numbers of each set, the synthetic ones higher and without one in every tenth row."""
    of_sets = {name: np.abs(rng().normal(1, 0.3, (COUNT, *shape))) for name in (RECONSTRUCTED, REAL)}
    of_sets[RECONSTRUCTED] += 0.01
    made = np.random.default_rng(4).normal(1.5, 0.4, (COUNT, *shape)) ** 2
    made[::10] = np.nan if missing else 1
    return {SYNTHETIC: made, **of_sets}


def broken() -> dict[str, Floats]:
    return {name: (of > 1.2).astype(float) for name, of in values(len(RULES), missing=False).items()}


def effects(of: Mapping[str, Floats]) -> dict[str, Any]:
    age = np.linspace(2, 9, COUNT)
    slopes = {name: v + age for name, v in of.items()}
    return effect(dict.fromkeys(of, age), slopes, EVERYBODY, PATIENTS, DRAWS, rng())


MEASURES: dict[str, tuple[Callable[[], dict[str, Floats]], Callable[[Mapping[str, Floats]], dict[str, Any]]]] = {
    "means": (values, lambda of: means_by_stratum(of, STRATA, PATIENTS, DRAWS, rng())),
    "dispersion": (values, lambda of: dispersion_distances(of, STRATA, PATIENTS, DRAWS, rng())),
    "rates": (values, lambda of: rates_by_rhythm(np.ones(COUNT), of, STRATA, PATIENTS, DRAWS, rng())),
    "effects": (values, effects),
    "impossible": (broken, lambda of: shares(of, PATIENTS, list(patient_draws(PATIENTS, DRAWS, rng())))),
    "intervals": (lambda: values(12, missing=False), lambda of: compare_leads(of, PATIENTS.tolist(), DRAWS, rng())),
    "beats": (lambda: values(8, 6, missing=False), lambda of: compare_beats(of, PATIENTS.tolist(), DRAWS, rng())),
}


def beside(measure: Callable, of_sets: Mapping[str, Floats], simulated: Floats) -> dict[str, Any]:
    return with_simulator(measure(of_sets), measure({SIMULATOR: simulated, REAL: counting(of_sets)}))


def both(found: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Each figure of synthetic records with the simulator's."""
    pairs = [(found[SYNTHETIC], found[SIMULATOR])] if SYNTHETIC in found else []
    return pairs + [pair for of in found.values() if isinstance(of, Mapping) for pair in both(of)]


def without(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: without(of, name) if isinstance(of, Mapping) else of for key, of in found.items() if key != name}


@pytest.mark.parametrize("name", MEASURES)
def test_a_simulator_whose_records_are_the_synthetic_ones_has_all_their_figures(name):
    make, measure = MEASURES[name]
    found = beside(measure, make(), make()[SYNTHETIC])
    assert both(found)
    assert all(made == alone for made, alone in both(found))


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_found_of_the_sets_is_as_without_a_simulator(name):
    make, measure = MEASURES[name]
    of_sets = make()
    simulated = of_sets[REAL][::-1].copy()
    if name != "impossible":  # every record is read for these
        simulated[::3] = np.nan
    found = beside(measure, of_sets, simulated)
    assert without(found, SIMULATOR) == measure(of_sets)
    assert all(alone is not None for _, alone in both(found))
    assert any(made != alone for made, alone in both(found))


def test_only_rows_count_that_count_for_the_sets():
    """A simulator is asked where the sets have numbers: what it has in other rows is not compared."""
    of_sets, measure = values(), MEASURES["means"][1]
    simulated = np.where(np.isnan(of_sets[SYNTHETIC]), 1e6, 2.0)
    found = beside(measure, of_sets, simulated)
    assert found["sinus"][SIMULATOR] == 2
    assert found["sinus"]["over_real"][SIMULATOR] == pytest.approx(2 / found["sinus"][REAL])


def test_a_simulator_without_a_reading_is_left_out_alone_and_that_is_said():
    of_sets, measure = values(), MEASURES["dispersion"][1]
    found = beside(measure, of_sets, np.full(COUNT, np.nan))
    assert found["sinus"][SIMULATOR] == {"left_out": FEW_PATIENTS}
    metrics, notes = without_notes(found)
    assert metrics["sinus"][SIMULATOR] is None and metrics["sinus"]["over_floor"][SIMULATOR] is None
    assert metrics["pooled"]["over_floor"][SIMULATOR] is None
    assert f"sinus.{SIMULATOR}: {FEW_PATIENTS}" in notes


def test_the_reason_is_that_of_the_baseline():
    alone = {REAL: {"value": 0.1}, SIMULATOR: {"value": 2}, "over_real": {"left_out": "real's interval has zero in it"}}
    found = {SYNTHETIC: {"value": 1}, REAL: {"value": 0.2}, "over_real": {SYNTHETIC: 5}}
    told = with_simulator(found, alone)
    assert told[SIMULATOR] == {"value": 2}
    assert told["over_real"] == {SYNTHETIC: 5, SIMULATOR: {"left_out": "real's interval has zero in it"}}


def test_readings_of_the_baseline_are_the_simulators_and_the_real_ones_that_count():
    def readings(number: float, missing: int) -> Readings:
        wide = {"st": (12,), "median_beat": (8, 60)}
        found = {field.name: np.full((5, *wide.get(field.name, ())), float(number)) for field in fields(Readings)}
        for of in found.values():
            of[missing] = np.nan
        return Readings(**found)

    read = {SYNTHETIC: readings(1, 0), RECONSTRUCTED: readings(2, 1), REAL: readings(3, 2)}
    simulated = readings(4, 3)
    baseline = baseline_of(read, simulated)
    assert baseline[SIMULATOR] is simulated
    for name in ("heart_rate", "st", "median_beat"):
        real = getattr(baseline[REAL], name)
        assert np.isnan(real[:3]).all() and (real[3:] == 3).all(), "the simulator's own gaps are its own"
