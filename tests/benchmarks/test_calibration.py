import numpy as np

from benchmarks.calibration import class_means


def test_class_means_are_aligned_at_the_first_beat():
    beat = np.zeros((6, 8, 1000), np.float32)
    peaks = [[0.3 + 0.1 * row, 5.0] for row in range(6)]
    for row, (first, _) in enumerate(peaks):
        beat[row, :, round(100 * first)] = 1 + row % 2
    means = class_means(beat, peaks, ["A", "B"] * 3, ["B", "A", "unknown"])
    assert means.shape == (3, 8, 1000)
    assert means.argmax(-1).tolist() == [[50] * 8] * 3
    assert means.max(-1)[:, 0].tolist() == [2, 1, 1.5]
