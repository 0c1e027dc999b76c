"""Peak memory and time of the metrics over all pairs: `python benchmarks/blocks.py [--records 20000]`.

Each metric runs in a process of its own, on as many real and synthetic records of 64 features, drawn. Beside it stands
what the plain form needs, which holds the distances or kernels of all pairs at once. The peak is that of the whole
process, of which the imports are the first row.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np

from sediff.evaluation.distribution import coverage_density, frechet_distance, kernel_distance

FEATURES, NEIGHBOURS = 64, 5
Metric = Callable[[np.ndarray, np.ndarray], object]


def nothing(real: np.ndarray, made: np.ndarray) -> None:
    """What importing and the features themselves take."""


def coverage(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Coverage and density."""
    return coverage_density(real, made, NEIGHBOURS)


METRICS: dict[str, Metric] = {
    "features alone": nothing,
    "FD": frechet_distance,
    "KID": kernel_distance,
    "coverage and density": coverage,
}


def main() -> None:
    """Measure each and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    records = parser.parse_args().records
    print(f"| {records:,} × {records:,} | peak, GB | s |")
    print("|---|---|---|")
    for name, metric in METRICS.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peak, seconds = pool.apply(measured, (metric, records))
        print(f"| {name} | {peak:.2f} | {seconds:.1f} |")
    print(f"| one array of all pairs | {records**2 * 8 / 1e9:.2f} | |")


def measured(metric: Metric, records: int) -> tuple[float, float]:
    """Peak memory of this process in GB, and seconds."""
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(records, FEATURES)), rng.normal(0.1, 1, (records, FEATURES))
    started = time.monotonic()
    metric(real, made)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, time.monotonic() - started


if __name__ == "__main__":
    main()
