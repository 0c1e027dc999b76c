import numpy as np

from sediff.knowledge.distill import NO_NEIGHBOUR, distil_offline
from sediff.knowledge.statistics import Statistics


def statistics(vocabulary, **changes) -> Statistics:
    shares = np.zeros((1, len(vocabulary.codes)))
    shares[0, vocabulary.codes.index("AFIB")] = 1.0
    shares[0, vocabulary.codes.index("LVH")] = 0.4
    shares[0, vocabulary.codes.index("IMI")] = 0.1
    one = np.ones(1)
    values = {"heart_rate": 82.4 * one, "heart_rate_spread": 11 * one, "rmssd": 140 * one}
    return Statistics(
        **{"counts": np.array([10]), **values, "amplitudes": np.full((1, 8), 1.25), "shares": shares, **changes}
    )


def test_the_paragraph_says_what_the_neighbours_have(vocabulary):
    (distilled,) = distil_offline(statistics(vocabulary), vocabulary)
    assert distilled.text == (
        "Atrial fibrillation 100 %, left ventricular hypertrophy 40 %. "
        "Heart rate 82 bpm (interquartile range 11), RMSSD 140 ms. "
        "Beat amplitude 1.2 mV in II, 1.2 mV in V2, 1.2 mV in V5. From 10 similar records."
    )
    assert (distilled.distiller, distilled.fallback_reason) == ("offline", None)
    assert {f.code for f in vocabulary.find(distilled.text)} == {"AFIB", "LVH"}


def test_what_is_not_known_is_left_out(vocabulary):
    nan = np.full(1, np.nan)
    unknown = statistics(vocabulary, heart_rate=nan, rmssd=nan, amplitudes=np.full((1, 8), np.nan))
    assert distil_offline(unknown, vocabulary)[0].text == (
        "Atrial fibrillation 100 %, left ventricular hypertrophy 40 %. From 10 similar records."
    )
    assert distil_offline(statistics(vocabulary, counts=np.array([0])), vocabulary)[0].text == NO_NEIGHBOUR
