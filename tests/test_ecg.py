import numpy as np

from sediff.ecg import independent_leads, limb_lead_residual, to_microvolts, to_millivolts, twelve_leads


def eight(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, (3, 8, 50)).astype(np.int16)


def test_limb_leads_follow_to_half_a_microvolt():
    residual = limb_lead_residual(twelve_leads(eight()))
    assert (residual[:, 0] == 0).all(), "III is II - I exactly"
    assert np.abs(residual).max() == 0.5


def test_independent_leads_come_back_unchanged():
    signal = eight()
    assert (independent_leads(twelve_leads(signal)) == signal).all()


def test_microvolts_survive_the_way_through_millivolts():
    signal = eight()
    assert (to_microvolts(to_millivolts(signal)) == signal).all()


def test_out_of_range_is_clipped_not_wrapped():
    assert to_microvolts(np.array([40.0, -40.0])).tolist() == [32767, -32767]
