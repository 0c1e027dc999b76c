"""Whether training records came out again: distance to the nearest ones, and the control of that search."""

from typing import Any

import numpy as np

from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL
from sediff.evaluation.privacy import Nearest, nearest, planted_copies

PLANTED = 50  # disguised copies that the search for near-copies must find


def nearest_training(evidence: Evidence) -> dict[str, Nearest]:
    """The most alike training record of each synthetic and of each held-out record."""
    threshold = evidence.params.near_copy
    sides = {"synthetic": evidence.made.leads, "held_out": evidence.sets[REAL].leads}
    return {name: nearest(leads, evidence.training, threshold) for name, leads in sides.items()}


def privacy(evidence: Evidence, copies: dict[str, Nearest]) -> dict[str, Any]:
    """Correlations with the nearest training records, near-copies, and the share of planted copies that is found."""
    threshold, values = evidence.params.near_copy, dict[str, Any]()
    for name, found in copies.items():
        values[f"correlation_{name}"] = float(np.median(found.correlation))
        values[f"highest_correlation_{name}"] = float(found.correlation.max())
    values["near_copies"] = int((copies["synthetic"].correlation > threshold).sum())
    values["near_copies_held_out"] = int((copies["held_out"].correlation > threshold).sum())
    rows, signals = planted_copies(evidence.training, PLANTED, evidence.rng(5))
    found = nearest(signals, evidence.training, threshold)
    hits = (found.rows == rows) & (found.correlation > threshold)
    return {"privacy": {**values, "planted_copies": len(rows), "planted_copies_found": float(hits.mean())}}
