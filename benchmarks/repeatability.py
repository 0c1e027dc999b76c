"""How far two measurements of one patient lie apart: `python benchmarks/repeatability.py PTB-XL [--records 1000]`.

Intervals of the first and the last 5 s of a recording at 100 Hz, in sinus rhythm. The standard deviation of one
measurement is that of the difference over √2 (Bland and Altman, Lancet 327:307, 1986).
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import wfdb

from sediff.beats import find_r_peaks, heart_rate
from sediff.delineation import delineate, measure

RATE, HALF = 100, 500
NAMES = ("pr", "qrs_duration", "qt", "qtcf")


def halves(path: Path) -> list[dict[str, float]]:
    """Intervals in ms, axis in degrees and rate in bpm of both halves of one recording."""
    signal = wfdb.rdrecord(str(path)).p_signal.T
    measured = []
    for part in (signal[:, :HALF], signal[:, HALF:]):
        beats = delineate(part, RATE, find_r_peaks(part[None], RATE)[0])
        values = measure(beats)
        measured.append({name: getattr(values, name) for name in NAMES} | {"rate": heart_rate(beats.r_peak)})
    return measured


def main() -> None:
    """Print the repeatability of each interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="a copy of PTB-XL")
    parser.add_argument("--records", type=int, default=1000)
    arguments = parser.parse_args()
    table = pl.read_csv(arguments.raw / "ptbxl_database.csv", infer_schema_length=0)
    sinus = table.filter(pl.col("scp_codes").str.contains("'SR'")).sample(arguments.records, seed=0)
    pairs = [halves(arguments.raw / name) for name in sinus["filename_lr"]]
    for name in (*NAMES, "rate"):
        difference = np.array([first[name] - second[name] for first, second in pairs])
        known = difference[np.isfinite(difference)]
        robust = 1.4826 * np.median(np.abs(known - np.median(known))) / np.sqrt(2)
        unit = "bpm" if name == "rate" else "ms"
        deviation = known.std() / np.sqrt(2)
        print(f"{name}: {deviation:.1f} {unit}, {robust:.1f} by the median deviation (n {len(known)} of {len(pairs)})")


if __name__ == "__main__":
    main()
