"""A corpus on disk for the tests of the simulator."""

import numpy as np
import pyarrow as pa

from sediff.records import SIGNAL, signal_column, write_table

BEAT = ((-0.13, 0.028, 0.1), (0.0, 0.02, 1.0), (0.2, 0.045, 0.25))  # s after R, s, mV
PEAKS = np.arange(0.4, 10, 0.8)


def write_corpus(folder, counts, **changed):
    """One shard with some records of each statement, all training, bumps at 75 bpm for beats.

    `changed` replaces columns; `signals` replaces the bumps.
    """
    codes = [[code] for code, count in counts.items() for _ in range(count)]
    rows = len(codes)
    since_r = np.arange(1000) / 100 - PEAKS[:, None]
    beat = sum(height * np.exp(-0.5 * ((since_r - at) / width) ** 2).sum(0) for at, width, height in BEAT)
    sizes = np.random.default_rng(0).uniform(0.5, 1.5, (rows, 12, 1))
    floats = pa.list_(pa.float32())

    def marks(offset):
        return pa.array([(PEAKS + offset).tolist()] * rows, floats)

    columns = {
        "record_id": [f"x/{row}" for row in range(rows)],
        "split": ["train"] * rows,
        "statements": codes,
        "heart_rate": pa.array([75.0] * rows, pa.float32()),
        "r_peaks": marks(0.0),
        "p_onsets": marks(-0.182),
        "p_offsets": marks(-0.082),
        "qrs_onsets": marks(-0.06),
        "qrs_offsets": marks(0.06),
        "t_offsets": marks(0.295),
        "beat_kinds": [["N"] * len(PEAKS)] * rows,
        **{name: values for name, values in changed.items() if name != "signals"},
        SIGNAL.name: signal_column(changed.get("signals", (1000 * beat * sizes).astype(np.int16))),
    }
    write_table(pa.table(columns), folder / "corpus/records/shard-000.parquet")
    return folder / "corpus"
