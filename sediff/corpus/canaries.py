"""Canaries: recordings of a few training patients that run backwards in time, planted to see whether they come out.

No heart makes them, so what is like one can only be a copy of it. They keep their ids, patients and texts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sediff.ecg import LEADS, SAMPLES, SAMPLING_RATE

CANARY = "canary"  # among a record's repairs
LAST = (SAMPLES - 1) / SAMPLING_RATE  # s
MARKED = ("p_onsets", "p_offsets", "qrs_onsets", "qrs_offsets", "t_offsets")  # not to be told of what runs backwards
MEASURED = ("pr", "qrs_duration", "qt", "qtcf")


def plant(records: pa.Table, rows: Sequence[int]) -> pa.Table:
    """The same records, those of some rows backwards."""
    if not rows:
        return records
    listed = records.to_pylist()
    for row in rows:
        listed[row] |= backwards(listed[row]) | dict.fromkeys(MEASURED)
        listed[row] |= {name: [None] * len(listed[row]["r_peaks"]) for name in MARKED}
        listed[row]["repairs"] = [*listed[row]["repairs"], CANARY]
    return pa.Table.from_pylist(listed, schema=records.schema)


def backwards(record: dict[str, Any]) -> dict[str, Any]:
    """Signal, R peaks in s and kinds of beats of a record that runs backwards."""
    signal = np.frombuffer(record["signal"], "<i2").reshape(len(LEADS), SAMPLES)[:, ::-1]
    return {
        "signal": np.ascontiguousarray(signal).tobytes(),
        "r_peaks": [LAST - peak for peak in reversed(record["r_peaks"])],
        "beat_kinds": list(reversed(record["beat_kinds"])),
    }
