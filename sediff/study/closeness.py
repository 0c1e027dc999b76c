"""Are synthetic cases copies: how near they come to training cases, and how much they differ from each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import to_millivolts
from sediff.encoder.judge import Judge
from sediff.evaluation.diversity import mean_distance
from sediff.evaluation.privacy import most_alike

Signals = NDArray[np.int16]
FEWEST = 5  # cases of either kind


def closeness(made: Signals, held_out: Signals, kept: Signals, left_out: Signals, judge: Judge) -> dict[str, Any]:
    """Synthetic cases beside real held-out ones, signals (n, 8, 1000) in µV.

    Nearness is the correlation with the most alike training case over all shifts, scale left out: its median, to the
    cases that are kept and to those that are left out. Diversity is the mean distance of two cases in the features of
    judge (a), synthetic over real.
    """
    if min(len(made), len(held_out), len(kept)) < FEWEST:
        return {"left_out": f"fewer than {FEWEST} synthetic, held-out or kept cases"}
    found: dict[str, Any] = {}
    for name, training in (("kept", kept), ("left_out", left_out)):
        if len(training):
            found[f"nearest_{name}"] = {
                "synthetic": _median_nearest(made, training),
                "real": _median_nearest(held_out, training),
            }
    of_made, of_real = (mean_distance(judge.features(to_millivolts(signals))) for signals in (made, held_out))
    return found | {"diversity_over_real": round(of_made / of_real, 6), "cases": len(made)}


def _median_nearest(signals: Signals, training: Signals) -> float:
    return round(float(np.median(most_alike(signals, training).correlation)), 6)
