import numpy as np
import polars as pl
import pytest
import torch

from sediff.autoencoder.beat import beat_grid
from sediff.autoencoder.fidelity import beat_error, changes, class_beat_error, reconstruct
from sediff.autoencoder.loss import robust
from sediff.autoencoder.model import Autoencoder
from tests.learnable import CODES, signals


def eight(labels, seed=0):
    """Signals (n, 8, 1000) in µV of narrow upright beats (0) and wide inverted ones (1)."""
    return signals(np.array(labels), np.random.default_rng(seed))[:, [0, 1, 6, 7, 8, 9, 10, 11]]


def peaks_of(labels, seed=0):
    """Where the beats of `eight` lie: it draws them in this order."""
    rng, found = np.random.default_rng(seed), []
    for _ in labels:
        found.append(np.arange(rng.uniform(0.3, 0.9), 10, rng.uniform(0.7, 1.0)))
        rng.uniform(0.8, 1.2, (12, 1))
    return found


def test_what_is_not_changed_is_zero():
    original = eight([0] * 6)
    told = changes(original, original / 1000)
    assert told["records"] == 6
    assert told["beats_lost"] == 0
    assert all(told[name]["p90"] == 0 for name in ("qrs_duration_ms", "r_amplitude_percent", "rmssd_ms"))


def test_a_smaller_r_and_lost_beats_are_seen():
    original = eight([0] * 6)
    told = changes(original, 0.9 * original / 1000)
    assert told["r_amplitude_percent"]["mean"] == pytest.approx(-10, abs=0.5)
    assert told["r_amplitude_percent"]["median"] == pytest.approx(10, abs=0.5)
    assert changes(original, np.zeros(original.shape))["beats_lost"] == 6


def test_a_jitter_of_the_beats_shows_in_rmssd():
    original = eight([0] * 6)
    jittered = original.copy()
    for start in range(0, 1000, 200):
        jittered[..., start : start + 100] = np.roll(original[..., start : start + 100], 3, axis=-1)
    assert changes(original, jittered / 1000)["rmssd_ms"]["mean"] > 10


def test_the_classs_beat_is_the_better_guess_of_its_class():
    labels = [0, 1] * 40
    x, grid = torch.from_numpy(eight(labels)), beat_grid(peaks_of(labels))
    statements = [[CODES[label]] for label in labels]
    records = pl.DataFrame({"patient_id": [f"p{i}" for i in range(80)], "statements": statements})
    training, rows = np.arange(60), np.arange(60, 80)
    own = class_beat_error(x, grid, records, training, rows)
    swapped = records.with_columns(statements=pl.Series([[CODES[1 - label]] for label in labels]))
    mixed = pl.concat([records[:60], swapped[60:]])
    assert own.mean() < 0.3 * class_beat_error(x, grid, mixed, training, rows).mean()


def test_a_patient_with_many_records_counts_once():
    labels = [0] * 25 + [1] * 200
    x, grid = torch.from_numpy(eight(labels)), beat_grid(peaks_of(labels))
    patients = [f"p{i}" for i in range(25)] + ["one"] * 200
    records = pl.DataFrame({"patient_id": patients, "statements": [["NORM"]] * 225})
    error = class_beat_error(x, grid, records, np.arange(225), np.arange(25))
    alone = class_beat_error(x, grid, records, np.arange(25), np.arange(25))
    assert error.mean() < 1.1 * alone.mean()


def test_beat_error_is_in_the_units_of_its_beats():
    labels = [0] * 3
    x, grid = torch.from_numpy(eight(labels)).float() / 1000, beat_grid(peaks_of(labels))
    nothing = torch.zeros(3, 8, 96)
    assert 0 < float(beat_error(nothing, x, grid).mean()) < float(x.abs().max())


def test_reconstructions_are_of_every_record():
    labels = [0, 1, 0]
    torch.manual_seed(0)
    result = reconstruct(Autoencoder(16, 1).eval(), torch.from_numpy(eight(labels)), beat_grid(peaks_of(labels)))
    assert result.error.shape == result.beat_error.shape == (3,)
    assert result.decoded.shape == (3, 8, 1000)


def test_an_artefact_does_not_rule_the_loss():
    error = torch.full((20, 8, 1000), 0.1)
    error[0] = 40.0  # 10 mV in one of twenty records, 25 µV in the others
    error.requires_grad_()
    robust(error).backward()
    share = error.grad[0].abs().sum() / error.grad.abs().sum()
    squared = 40**2 / (40**2 + 19 * 0.1**2)
    assert share < 0.15 < squared
