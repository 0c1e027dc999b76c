import tracemalloc

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from sklearn.metrics import average_precision_score

from sediff.bootstrap import patient_draws
from sediff.ecg import INDEPENDENT_LEADS
from sediff.evaluation import agreement, distribution, privacy, rhythm
from sediff.evaluation.controls import controls
from sediff.evaluation.distribution import (
    coverage_beside,
    coverage_density,
    deviation_ratios,
    distances,
    frechet_distance,
    kernel_distance,
)
from sediff.evaluation.halves import patient_halves
from sediff.evaluation.likeness import lead_deviations
from sediff.evaluation.precision import mean_auprc
from sediff.vocabulary import statement_labels

RNG = np.random.default_rng(0)


def gaussian(n: int, mean: float = 0, deviation: float = 1, dimensions: int = 6) -> np.ndarray:
    return np.random.default_rng([n, int(mean * 10), int(deviation * 10)]).normal(mean, deviation, (n, dimensions))


def test_fd_of_two_gaussians_is_known():
    a, b = gaussian(40_000), gaussian(40_000, mean=1, deviation=2)
    assert frechet_distance(a, b) == pytest.approx(6 * (1**2 + (2 - 1) ** 2), rel=0.03)


def test_fd_of_a_set_with_itself_is_nothing():
    a = gaussian(300)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_fd_counts_correlation_and_not_only_deviations():
    a = gaussian(20_000, dimensions=2)
    b = a.copy()
    b[:, 1] = 0.9 * b[:, 0] + np.sqrt(1 - 0.81) * b[:, 1]
    assert frechet_distance(a, b) > 0.1


def test_kid_is_unbiased_at_small_numbers_and_grows_with_distance():
    draws = [
        kernel_distance(
            np.random.default_rng(i).normal(size=(50, 4)), np.random.default_rng(1000 + i).normal(size=(50, 4))
        )
        for i in range(200)
    ]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(200)
    assert kernel_distance(gaussian(200), gaussian(200, mean=1)) > 10 * np.std(draws)


def test_kid_of_sets_of_two_sizes_is_the_plain_sum():
    a, b = gaussian(3000, dimensions=3), gaussian(2500, mean=0.5, dimensions=3)

    def kernel(x, y):
        return (x @ y.T / 3 + 1) ** 3

    kaa, kbb, kab = kernel(a, a), kernel(b, b), kernel(a, b)
    within = (kaa.sum() - np.trace(kaa)) / (3000 * 2999) + (kbb.sum() - np.trace(kbb)) / (2500 * 2499)
    assert kernel_distance(a, b) == pytest.approx(within - 2 * kab.mean(), rel=1e-9)


def test_coverage_of_a_set_with_itself_and_with_one_mode():
    real = gaussian(400)
    assert coverage_density(real, real, 5)[0] == 1
    collapsed = real[:1] + 1e-3 * gaussian(400, mean=3)
    assert coverage_density(real, collapsed, 5)[0] < 0.1
    assert coverage_density(real, real + 100, 5) == (0, 0)


def test_coverage_s_interval_is_that_of_a_binomial_share_and_density_s_holds_it():
    for count in (200, 1800):
        real, made = gaussian(count), gaussian(300, mean=0.5)
        drawn = list(patient_draws(np.arange(count), 200, np.random.default_rng(0)))
        found = coverage_beside(real, made, 5, drawn, "_noise")
        coverage, density = coverage_density(real, made, 5)
        assert found["coverage_noise"] == pytest.approx(coverage) and found["density_noise"] == pytest.approx(density)
        spread = found["coverage_noise_interval"]
        deviation = np.sqrt(coverage * (1 - coverage) / count)
        assert spread["high"] - spread["low"] == pytest.approx(2 * 1.96 * deviation, rel=0.25), "of a binomial share"
        assert found["density_noise_interval"]["low"] < density < found["density_noise_interval"]["high"]


def test_average_precision_is_scikit_learn_s_with_ties_and_all():
    rng = np.random.default_rng(0)
    truth = rng.random((300, 6)) < np.linspace(0.02, 0.6, 6)
    truth[:, 0] = False
    for values in (rng.normal(size=truth.shape) + truth, rng.integers(0, 5, truth.shape).astype(float)):
        theirs = [average_precision_score(truth[:, column], values[:, column]) for column in range(1, 6)]
        assert mean_auprc(truth, values) == pytest.approx(np.mean(theirs), rel=1e-12)
    assert np.isnan(mean_auprc(truth[:, :1], values[:, :1])), "a statement without cases has none"


def test_coverage_and_density_are_those_of_prdc():
    """The package of Naeem et al.; its balls are open, which only ties would tell."""
    real, made = gaussian(1500), gaussian(1200, mean=0.5)
    theirs = compute_prdc(real, made, nearest_k=5)
    coverage, density = coverage_density(real, made, 5)
    assert coverage == pytest.approx(theirs["coverage"], abs=1e-12)
    assert density == pytest.approx(theirs["density"], rel=1e-12)
    assert 0 < coverage < 1


def test_fd_is_that_of_torchmetrics():
    """`_compute_fid` is private there: the public class wants images for its own network."""
    from torchmetrics.image.fid import _compute_fid  # takes seconds

    a, b = gaussian(500), gaussian(400, mean=0.5, deviation=1.5) @ np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    moments = (torch.from_numpy(moment) for x in (a, b) for moment in (x.mean(0), np.cov(x, rowvar=False)))
    assert frechet_distance(a, b) == pytest.approx(float(_compute_fid(*moments)), rel=1e-9)


def test_kid_is_that_of_torchmetrics():
    """In blocks; theirs holds all pairs and takes sets of one size only."""
    from torchmetrics.image.kid import poly_mmd  # takes seconds

    a, b = gaussian(2500, dimensions=3), gaussian(2500, mean=0.5, dimensions=3)
    theirs = float(poly_mmd(torch.from_numpy(a), torch.from_numpy(b)))
    assert kernel_distance(a, b) == pytest.approx(theirs, rel=1e-9)


def test_no_metric_holds_all_pairs_at_once(monkeypatch):
    """At 20,000 × 20,000 these would be 3.2 GB for each array: `benchmarks/blocks.py` says what it comes to."""
    count = 2048
    a, b = gaussian(count), gaussian(count, mean=0.5)
    whole = count * count * 8
    monkeypatch.setattr(distribution, "BLOCK", count // 16)
    for metric in (kernel_distance, lambda x, y: coverage_density(x, y, 5)):
        tracemalloc.start()
        metric(a, b)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < whole / 3


def test_halves_are_random_and_share_no_patient():
    patients = [f"p{i // 3}" for i in range(90)]
    halves = [patient_halves(patients, np.random.default_rng(seed)) for seed in (0, 1)]
    for first, second in halves:
        assert sorted([*first, *second]) == list(range(90))
        assert not {patients[row] for row in first} & {patients[row] for row in second}
    assert set(halves[0][0]) != set(halves[1][0])


def test_distances_are_taken_at_one_number_beside_the_floor():
    held_out, patients = gaussian(400), [f"p{i // 2}" for i in range(400)]
    sets = {"alike": gaussian(150, mean=0), "far": gaussian(150, mean=2)}
    found = distances(held_out, patients, sets, ["nobody"] * 150, 5, 10, np.random.default_rng(0))
    assert found["records_compared"] == 150
    for metric in ("fd", "kid"):
        for name in ("real", "alike", "far"):
            value = found[name][metric]
            assert value["low"] <= value["median"] <= value["high"]
        assert found["alike"][metric]["high"] < found["far"][metric]["low"]
        assert found["real"][metric]["median"] < found["far"][metric]["low"]
    assert found["real"]["fd"]["high"] > found["real"]["fd"]["low"], "each draw has other halves"
    alike, far = found["over_floor"]["alike"], found["over_floor"]["far"]
    assert alike["fd"]["median"] == pytest.approx(found["alike"]["fd"]["median"] / found["real"]["fd"]["median"])
    assert alike["fd"]["median"] == pytest.approx(1, abs=0.3)
    assert abs(alike["kid"]["median"]) < 3 < 50 < far["kid"]["median"], (
        "KID's floor lies around 0: its size is the scale"
    )
    assert alike["coverage"]["median"] == pytest.approx(1, abs=0.1)
    assert far["coverage"]["median"] < 0.7
    assert alike["density"]["median"] == pytest.approx(1, abs=0.15)
    assert found["far"]["density"]["high"] < 0.3 < 0.8 < found["real"]["density"]["low"]


def test_real_records_in_the_place_of_synthetic_ones_reach_the_floor_and_no_less():
    """Records of few clusters of patients: a set that has the reference's own conditions would be nearer than real."""
    rng = np.random.default_rng(1)
    patients = [f"p{i // 10}" for i in range(400)]
    held_out = np.repeat(rng.normal(size=(40, 4)), 10, 0) + 0.1 * rng.normal(size=(400, 4))
    found = distances(held_out, patients, {"copies": held_out}, patients, 5, 30, rng)
    assert 180 <= found["records_compared"] <= 200
    assert found["over_floor"]["copies"]["fd"]["median"] == pytest.approx(1, rel=0.2)
    unpaired = distances(held_out, patients, {"copies": held_out}, ["nobody"] * 400, 5, 30, rng)
    assert unpaired["over_floor"]["copies"]["fd"]["median"] < 0.7


def test_nothing_is_compared_where_there_is_one_patient():
    assert distances(gaussian(10), ["p"] * 10, {"made": gaussian(10)}, ["p"] * 10, 2, 3, np.random.default_rng(0)) == {}


def test_controls_are_what_they_are_called():
    x = RNG.normal(0, 0.2, (40, 8, 1000)).astype(np.float32)
    made = controls(x, np.random.default_rng(0))
    assert not made["flat_line"].any()
    assert made["noise"].std() == pytest.approx(x.std(), rel=0.02)
    shuffled = made["shuffled_leads"]
    for before, after in zip(x, shuffled, strict=True):
        assert {lead.tobytes() for lead in after} == {lead.tobytes() for lead in before}, "each lead is whole"
    assert len({(a == b).all(-1).tobytes() for a, b in zip(x, shuffled, strict=True)}) > 1, (
        "each record in its own order"
    )


def test_deviation_ratio():
    x = RNG.normal(0, 1, (50, 8, 1000)).astype(np.float32)
    ratios = deviation_ratios(x * np.linspace(0.5, 1.2, 8, dtype=np.float32)[:, None], x)
    assert list(ratios.values()) == pytest.approx(np.linspace(0.5, 1.2, 8), rel=1e-4)


def test_deviation_by_lead_is_found_with_an_interval_that_holds_it():
    rng = np.random.default_rng(0)
    real, planted = rng.lognormal(-1.5, 0.3, (300, 8)), np.linspace(0.5, 1.2, 8)
    draws = [rng.integers(0, 300, 300) for _ in range(40)]
    found = lead_deviations({"synthetic": real * planted, "real": real}, draws)
    ratios = [of_lead["ratio"] for of_lead in found["synthetic"].values()]
    assert ratios == pytest.approx(planted) and list(found["synthetic"]) == list(INDEPENDENT_LEADS)
    assert list(found["real"].values()) == pytest.approx(np.median(real, axis=0))
    other = lead_deviations({"synthetic": rng.lognormal(-1.5, 0.3, (300, 8)), "real": real}, draws)
    assert all(of["low"] < of["ratio"] < of["high"] for of in other["synthetic"].values())
    assert sum(of["low"] < 1 < of["high"] for of in other["synthetic"].values()) >= 6


def test_rate_errors_and_failures_are_counted():
    asked, measured = np.array([60.0, 70, 80]), np.array([62.0, np.nan, 76])
    result = rhythm.compare_rates(asked, measured, np.array([True, True, False]))
    assert result == {"detector_failures": 1, "mae_bpm": 3.0, "mae_sinus_bpm": 2.0}
    lost = rhythm.compare_rates(asked, np.full(3, np.nan), np.array([True, True, False]))
    assert lost == {"detector_failures": 3, "mae_bpm": None, "mae_sinus_bpm": None}


def test_dispersion_is_compared_within_a_rhythm_and_left_out_when_few():
    statements = [["AFIB"]] * 40 + [["SR"]] * 5
    real = np.concatenate([np.full(40, 0.2), np.full(5, 0.02)])
    result = rhythm.compare_dispersion(real + 0.05, real, statements, statements, 0.1, 10)
    assert [rhythm for rhythm, found in result.items() if "left_out" not in found] == ["fibrillation"]
    assert "left_out" in result["sinus"] and "left_out" in result["sinus_arrhythmia"]
    assert result["fibrillation"]["wasserstein"] == pytest.approx(0.05)
    assert result["fibrillation"]["irregular_real"] == 1


def test_agreement_knows_a_perfect_and_a_random_judge():
    codes = ["A", "B", "RARE"]
    statements = [["A"] if i % 2 else ["B"] for i in range(200)]
    truth = statement_labels(statements, codes)
    perfect = agreement.scores(truth, truth.astype(float), codes, 10)
    assert perfect["auroc"] == 1
    assert sorted(perfect["statements"]) == ["A", "B"], "a statement without cases is left out"
    blind = agreement.scores(truth, np.random.default_rng(0).random(truth.shape), codes, 10)
    assert abs(blind["auroc"] - 0.5) < 0.15
    assert agreement.scores(truth[:5], truth[:5].astype(float), codes, 10) == {}


def test_planted_copies_are_found_though_disguised():
    rng = np.random.default_rng(0)
    training = rng.normal(0, 300, (300, 8, 1000)).astype(np.int16)
    rows, copies = privacy.planted_copies(training, 40, rng)
    found = privacy.nearest(copies, training, 0.95)
    assert (found.rows == rows).all()
    assert (found.correlation > 0.95).all()
    strangers = privacy.nearest(rng.normal(0, 0.3, (5, 8, 1000)).astype(np.float32), training, 0.95)
    assert (strangers.correlation < 0.5).all()


def test_the_search_agrees_with_comparing_every_pair_at_every_shift():
    rng = np.random.default_rng(1)
    beats = np.cumsum(rng.normal(0, 30, (200, 8, 1000)), -1).astype(np.int16)
    signals = (np.roll(beats[:6], 77, -1) + rng.normal(0, 200, (6, 8, 1000))).astype(np.float32) / 1000
    found = privacy.nearest(signals, beats, -1.0)
    for row, signal in enumerate(signals):
        a = signal - signal.mean(-1, keepdims=True)
        b = beats - beats.mean(-1, keepdims=True)
        shifts = range(0, 1000, 7)  # 77 is among them
        values = np.stack([(np.roll(b, shift, -1) * a).sum((1, 2)) for shift in shifts])
        values = values / np.sqrt((a**2).sum() * (b**2).sum((1, 2)))
        assert found.correlation[row] >= values.max() - 1e-5
        assert found.rows[row] == row
