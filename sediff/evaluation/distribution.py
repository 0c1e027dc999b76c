"""Distances between sets of records: FD and KID in a judge's features, coverage and density, deviation by lead."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from sediff.bootstrap import interval
from sediff.ecg import INDEPENDENT_LEADS

Features = NDArray[np.float64]
BLOCK = 2048


def frechet_distance(a: Features, b: Features) -> float:
    """FD of two sets of features (n, d), as Gaussians (Heusel et al. 2017); smaller is closer.

    It falls with n, so compare only values at one n.
    """
    root = _square_root(np.cov(a, rowvar=False))
    product = root @ np.cov(b, rowvar=False) @ root
    overlap = np.sqrt(np.clip(eigh(product, eigvals_only=True), 0, None)).sum()
    spread = np.var(a, axis=0, ddof=1).sum() + np.var(b, axis=0, ddof=1).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread - 2 * overlap)


def _square_root(matrix: Features) -> Features:
    values, vectors = eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def kernel_distance(a: Features, b: Features) -> float:
    """KID, the unbiased MMD² with kernel (x·y / d + 1)³ (Bińkowski et al. 2018); 0 for equal distributions."""
    within = sum(_kernel_sum(x, x, diagonal=False) / (len(x) * (len(x) - 1)) for x in (a, b))
    return float(within - 2 * _kernel_sum(a, b, diagonal=True) / (len(a) * len(b)))


def _kernel_sum(a: Features, b: Features, diagonal: bool) -> float:
    total = 0.0
    for start in range(0, len(a), BLOCK):
        total += ((a[start : start + BLOCK] @ b.T / a.shape[1] + 1) ** 3).sum()
    return total if diagonal else total - (((a * b).sum(1) / a.shape[1] + 1) ** 3).sum()


def coverage_density(real: Features, synthetic: Features, neighbours: int) -> tuple[float, float]:
    """Coverage and density (Naeem et al. 2020) with balls to the k-th neighbour among the real records."""
    radii, covered = np.empty(len(real)), np.zeros(len(real), bool)
    inside = 0
    for start in range(0, len(real), BLOCK):
        rows = slice(start, start + BLOCK)
        radii[rows] = np.partition(cdist(real[rows], real), neighbours, axis=1)[:, neighbours]
        close = cdist(real[rows], synthetic) <= radii[rows, None]
        covered[rows], inside = close.any(1), inside + int(close.sum())
    return float(covered.mean()), float(inside / (neighbours * len(synthetic)))


def patient_halves(patients: Sequence[str], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Random halves of the records, in random order, that share no patient."""
    unique = sorted(set(patients))
    first = set(rng.permutation(unique)[: len(unique) // 2].tolist())
    inside = np.array([patient in first for patient in patients])
    return rng.permutation(np.flatnonzero(inside)), rng.permutation(np.flatnonzero(~inside))


def distances(
    held_out: Features,
    patients: Sequence[str],
    sets: Mapping[str, Features],
    draws: int,
    rng: np.random.Generator,
    most: int | None = None,
) -> dict[str, Any]:
    """FD and KID of each set of records from held-out real ones, and of those from each other: the floor, "real".

    All are taken at one number of records, "records_compared": each draw halves the held-out patients, and compares as
    many records of the one half with records of the other, and with records of each set drawn without replacement.
    {} where fewer than two records could be compared.

    Args:
        held_out: features of the real records, (n, d); patients: of each.
        sets: features of records by name.
        most: compare no more records than these.
    """
    splits = [patient_halves(patients, rng) for _ in range(draws)]
    available = min(*(len(half) for split in splits for half in split), *map(len, sets.values()))
    size = min(available, most or available)
    if size < 2:
        return {}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("real", *sets)}
    for first, second in splits:
        reference = held_out[first[:size]]
        found["real"].append(_both(reference, held_out[second[:size]]))
        for name, features in sets.items():
            found[name].append(_both(reference, features[rng.choice(len(features), size, replace=False)]))
    intervals = {
        name: {metric: interval([value[metric] for value in values]) for metric in ("fd", "kid")}
        for name, values in found.items()
    }
    return {"records_compared": size, **intervals}


def _both(a: Features, b: Features) -> dict[str, float]:
    return {"fd": frechet_distance(a, b), "kid": kernel_distance(a, b)}


def deviation_ratios(synthetic: NDArray[np.float32], real: NDArray[np.float32]) -> dict[str, float]:
    """Median over records of the standard deviation in each lead, synthetic over real; signals (n, 8, 1000)."""
    ratio = np.median(synthetic.std(-1), axis=0) / np.median(real.std(-1), axis=0)
    return dict(zip(INDEPENDENT_LEADS, ratio.astype(float).tolist(), strict=True))
