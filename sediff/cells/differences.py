"""Differences to a baseline, paired by seed, as a table says them."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t

NOTHING = "–"


def paired(differences: Sequence[float]) -> tuple[float, float | None]:
    """Mean of paired differences and the half-width of its 95 % interval by Student's t; None with fewer than two."""
    values = np.asarray(differences, float)
    if len(values) < 2:
        return float(values.mean()), None
    return float(values.mean()), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> str:
    """The mean difference of values by seed to those of the baseline at the same seeds, with its interval."""
    pairs = [values[seed] - baseline[seed] for seed in values if seed in baseline]
    if not pairs:
        return NOTHING
    mean, half = paired(pairs)
    if half is None:
        return f"{mean:+.3g} (one seed)"
    return f"{mean:+.3g} ({mean - half:+.3g} to {mean + half:+.3g}, {len(pairs)} seeds)"


def number(value: float | None) -> str:
    """Four digits; a dash where there is none."""
    return NOTHING if value is None else f"{value:.4g}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines."""
    return [_row(header), "|" + "---|" * len(header), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
