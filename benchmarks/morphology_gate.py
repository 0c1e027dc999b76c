"""Whether a gate could tell a morphology that was not asked for: `python benchmarks/morphology_gate.py --data DATA`.

A record's distance from a statement is the mean of |x − median| / interquartile range over the R, S and T amplitudes
and the ST levels of the twelve leads, with the quartiles of the statement's training records. Its limit is what a share
`--refused` of those exceed. Of the other patients' records it prints which share of those with the statement would be
refused, which should be no more than that, and which share of the normal ones, which should be most.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sediff.records import read_columns

MEASURES = ("r_amplitudes", "s_amplitudes", "t_amplitudes", "st")
STATEMENTS = ("CLBBB", "CRBBB", "IMI", "ASMI", "LVH", "LAFB", "IRBBB", "ISC_", "AFIB", "NORM")
FEWEST = 50  # training records


def distances(values: NDArray[np.float64], of: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each record (n, measures) from the records `of` a statement."""
    low, median, high = np.nanquantile(values[of], [0.25, 0.5, 0.75], axis=0)
    return np.nanmean(np.abs(values - median) / (high - low), axis=1)


def main() -> None:
    """Print a row for each statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--refused", type=float, default=0.01)
    arguments = parser.parse_args()
    table = read_columns(arguments.data / "corpus/records", ["split", "statements", *MEASURES])
    values = np.concatenate([np.array(table[name].to_list(), np.float64) for name in MEASURES], axis=1)
    training, codes = (table["split"] == "train").to_numpy(), table["statements"]
    normal = codes.list.contains("NORM").to_numpy()
    print("| statement | training records | others with it, refused | normal ones, refused |\n|---|---|---|---|")
    for code in STATEMENTS:
        has = codes.list.contains(code).to_numpy()
        if (has & training).sum() < FEWEST:
            continue
        found = distances(values, has & training)
        refused = found > np.quantile(found[has & training], 1 - arguments.refused)
        groups = (has & ~training, normal & ~training)
        own, others = (f"{refused[group].mean():.1%} of {group.sum()}" for group in groups)
        print(f"| {code} | {(has & training).sum()} | {own} | {others} |")


if __name__ == "__main__":
    main()
