import numpy as np
import pytest
import torch

from sediff.synthesis.noise import normal

# Of these torch's own generator on a CPU, which cuts seeds to 32 bits, gave the same noise.
ONCE_ALIKE = [((0, 135667, 0), (0, 153645, 0)), ((0, 36048, 0), (1, 171179, 0))]


def test_it_depends_on_all_parts_and_on_nothing_else():
    one = normal((3, 4), "noise", 0, 7, 0)
    torch.manual_seed(1)
    assert torch.equal(normal((3, 4), "noise", 0, 7, 0), one)
    for other in (("noise", 1, 7, 0), ("noise", 0, 8, 0), ("noise", 0, 7, 1), ("noise", 0, 7, 0, 2), ("beat", 0, 7, 0)):
        assert not torch.isclose(normal((3, 4), *other), one).any()


@pytest.mark.parametrize(("one", "other"), ONCE_ALIKE)
def test_far_slots_and_other_seeds_share_none(one, other):
    assert not torch.isclose(normal((10, 125), "noise", *one), normal((10, 125), "noise", *other)).any()


def test_it_is_standard_normal():
    values = np.concatenate([normal((10, 125), "noise", 0, index, 0).numpy().ravel() for index in range(800)])
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=0.005)
    assert values.std() == pytest.approx(1, abs=0.005)
    assert np.mean(np.abs(values) > 2) == pytest.approx(0.0455, abs=0.001)
