"""Distances between sets of records: FD and KID in a judge's features, coverage and density, deviation by lead."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from sediff.bootstrap import interval
from sediff.ecg import INDEPENDENT_LEADS
from sediff.evaluation.beside import beside
from sediff.evaluation.halves import patient_halves

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
    return covered(real, neighbour_distances(real, neighbours), synthetic, neighbours)


def neighbour_distances(real: Features, neighbours: int) -> Features:
    """Distance of each real record (n, d) to its k-th neighbour among them: (n,)."""
    radii = np.empty(len(real))
    for start in range(0, len(real), BLOCK):
        rows = slice(start, start + BLOCK)
        radii[rows] = np.partition(cdist(real[rows], real), neighbours, axis=1)[:, neighbours]
    return radii


def covered(real: Features, radii: Features, synthetic: Features, neighbours: int) -> tuple[float, float]:
    """Coverage and density of balls of these radii around the real records."""
    counts = reached(real, radii, synthetic)
    return float((counts > 0).mean()), float(counts.sum() / (neighbours * len(synthetic)))


def reached(real: Features, radii: Features, synthetic: Features) -> NDArray[np.intp]:
    """How many synthetic records lie in the ball around each real one, (n,)."""
    counts = np.empty(len(real), np.intp)
    for start in range(0, len(real), BLOCK):
        rows = slice(start, start + BLOCK)
        counts[rows] = (cdist(real[rows], synthetic) <= radii[rows, None]).sum(1)
    return counts


def coverage_beside(
    real: Features, synthetic: Features, neighbours: int, drawn: Sequence[NDArray[np.intp]], ending: str = ""
) -> dict[str, Any]:
    """Coverage and density with intervals over draws of the real records' rows, the keys with an ending.

    A real record keeps its ball in each draw: one that is drawn twice would have none.
    """
    counts = reached(real, neighbour_distances(real, neighbours), synthetic)
    of_records = {"coverage": counts > 0, "density": counts * (len(real) / (neighbours * len(synthetic)))}
    found: dict[str, Any] = {}
    for name, values in of_records.items():
        found |= beside(f"{name}{ending}", float(values.mean()), [float(values[rows].mean()) for rows in drawn])
    return found


def distances(
    held_out: Features,
    patients: Sequence[str],
    sets: Mapping[str, Features],
    owners: Sequence[str],
    neighbours: int,
    draws: int,
    rng: np.random.Generator,
    most: int | None = None,
) -> dict[str, Any]:
    """FD, KID, coverage and density of each set against held-out real records, beside these against each other.

    All are taken at one number of records, "records_compared": each draw halves the held-out patients, and compares
    records of the one half with as many of the other, and with as many of each set, drawn without replacement, whose
    conditions are of patients that the first half does not have. So a perfect generator reaches the floor, no less.
    {} where fewer than two records, or no more than `neighbours`, could be compared.

    Args:
        held_out: features of the real records, (n, d); patients: of each.
        sets: features of records by name, rows aligned; owners: patient whose condition each row has.
        neighbours: k of coverage and density.
        most: compare no more records than these.

    Returns:
        Intervals by set, "real" for the floor, and metric; and under "over_floor" for each set: FD over the floor's
        median; KID over the mean absolute value of the floor's draws, "kid_scale", as these lie around 0; coverage and
        density as shares of the floor's medians. None over a floor of zero.
    """
    splits = [patient_halves(patients, rng) for _ in range(draws)]
    places = [_places([patients[row] for row in first], owners) for first, _ in splits]
    available = min(len(half) for split in splits for half in split)
    size = min(available, *map(_most_without, places), most or available)
    if size < 2 or size <= neighbours:
        return {}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("real", *sets)}
    for (first, second), place in zip(splits, places, strict=True):
        reference = held_out[first[:size]]
        radii = neighbour_distances(reference, neighbours)
        rows = rng.choice(np.flatnonzero(place >= size), size, replace=False)
        drawn = {"real": held_out[second[:size]], **{name: features[rows] for name, features in sets.items()}}
        for name, features in drawn.items():
            coverage, density = covered(reference, radii, features, neighbours)
            found[name].append({**_both(reference, features), "coverage": coverage, "density": density})
    by_metric = {
        name: {metric: np.array([value[metric] for value in values]) for metric in values[0]}
        for name, values in found.items()
    }
    intervals = {
        name: {metric: interval(of.tolist()) for metric, of in values.items()} for name, values in by_metric.items()
    }
    return {"records_compared": size, **intervals, **_over_floor(by_metric)}


def _places(order: Sequence[str], owners: Sequence[str]) -> NDArray[np.intp]:
    """Where in an order of records each owner first comes, (n,); beyond its end where he does not."""
    first = {patient: place for place, patient in reversed(list(enumerate(order)))}
    return np.array([first.get(owner, len(order)) for owner in owners], np.intp)


def _most_without(places: NDArray[np.intp]) -> int:
    """The largest number n such that n rows have owners who are not among the first n."""
    sizes = np.arange(len(places) + 1)
    left = len(places) - np.searchsorted(np.sort(places), sizes)
    return int(sizes[sizes <= left].max())


def _both(a: Features, b: Features) -> dict[str, float]:
    return {"fd": frechet_distance(a, b), "kid": kernel_distance(a, b)}


def _over_floor(found: Mapping[str, Mapping[str, Features]]) -> dict[str, Any]:
    """Ratios to the floor, with the intervals that the set's own draws give at a fixed floor."""
    scale = {
        "fd": float(np.median(found["real"]["fd"])),
        "kid": float(np.abs(found["real"]["kid"]).mean()),
        **{metric: float(np.median(found["real"][metric])) for metric in ("coverage", "density")},
    }
    ratios = {
        name: {
            metric: interval((of / scale[metric]).tolist()) if scale[metric] else None for metric, of in values.items()
        }
        for name, values in found.items()
        if name != "real"
    }
    return {"kid_scale": scale["kid"], "over_floor": ratios}


def deviation_ratios(synthetic: NDArray[np.float32], real: NDArray[np.float32]) -> dict[str, float]:
    """Median over records of the standard deviation in each lead, synthetic over real; signals (n, 8, 1000)."""
    ratio = np.median(synthetic.std(-1), axis=0) / np.median(real.std(-1), axis=0)
    return dict(zip(INDEPENDENT_LEADS, ratio.astype(float).tolist(), strict=True))
