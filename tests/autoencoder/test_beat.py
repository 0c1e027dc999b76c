import numpy as np
import torch

from sediff.autoencoder.beat import BEAT_SAMPLES, R_SAMPLE, beat_grid, crop_beats
from sediff.autoencoder.model import soft_crop


def record(peaks: np.ndarray) -> torch.Tensor:
    """A spike of 1 mV at each peak, in eight leads of different sizes."""
    t = np.arange(1000) / 100
    wave = np.exp(-0.5 * ((t[:, None] - peaks) / 0.02) ** 2).sum(1)
    return torch.tensor(np.outer(np.linspace(0.5, 1, 8), wave), dtype=torch.float32)[None]


def test_beats_are_aligned_at_r():
    for rr in (0.4, 0.8, 1.3):
        peaks = np.arange(0.613, 9.9, rr)
        beats = crop_beats(record(peaks), beat_grid([peaks]))
        assert beats.shape == (1, 4, 8, BEAT_SAMPLES)
        assert (beats[0].argmax(-1) == R_SAMPLE).all()


def test_a_beat_never_holds_two_qrs():
    for rr in (0.3, 0.36, 0.5, 1.0):
        peaks = np.arange(0.6, 9.9, rr)
        grid = beat_grid([peaks])
        beat = crop_beats(record(peaks), grid)[0, 0, 7] * grid.inside()[0]
        above = (beat > 0.5).int()
        assert int((above.diff() == 1).sum()) == 1


def test_the_beat_keeps_a_long_pr_and_a_long_qt():
    inside = beat_grid([np.arange(0.5, 9.9, 1.0)]).inside()[0]
    assert inside[R_SAMPLE - 30] == 1, "a P wave 0.3 s before R"
    assert inside[R_SAMPLE + 50] == 1, "a T wave 0.5 s after R"


def test_phase_is_zero_at_r_and_one_turn_a_beat():
    grid = beat_grid([np.arange(0.5, 9.9, 0.8)])
    phase = grid.phase()[0]
    assert phase[R_SAMPLE] == 0
    assert torch.isclose(phase[R_SAMPLE + 40] - phase[R_SAMPLE - 40 + 5], torch.tensor(2 * torch.pi * 75 / 80))


def test_a_record_without_a_complete_beat_still_has_one():
    grid = beat_grid([np.array([0.05, 9.95])])
    assert torch.isfinite(crop_beats(record(np.array([0.05, 9.95])), grid)).all()


def test_a_sharp_soft_crop_is_a_crop():
    x, peaks = record(np.array([2.0, 3.0])), np.array([2.0, 3.0])
    weights = torch.zeros(1, 1000)
    weights[0, 200] = 1
    assert torch.allclose(soft_crop(x, weights), crop_beats(x, beat_grid([peaks]))[:, 0], atol=1e-5)
