"""Records a second of each export: `python benchmarks/exports.py [--records 1000] [--drawn 20]`.

A dataset of noise is exported to each format by `sediff.export`, whole, with datasheet and checksums; beside it, in the
same run, a plain loop of the library that others would use: `wfdb.wrsamp`, pydicom with the samples and nothing else,
`numpy.save`, matplotlib's `savefig` of twelve lines. Processor time is counted, which other work on the machine does
not lengthen.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import wfdb
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid
from scipy.signal import resample_poly

from sediff.ecg import LEADS, SAMPLES
from sediff.export.export import export
from sediff.records import ROWS_PER_GROUP, signal_column, write_table
from sediff.synthesis.synthesize import SCHEMA

DRAWN = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Timed:
    """Seconds of processor time for a number of records."""

    records: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.records / self.seconds:>12.0f}"


def timed(records: int, function: Callable[[], object]) -> Timed:
    """How long a function takes."""
    started = time.process_time()
    function()
    return Timed(records, time.process_time() - started)


def write_dataset(folder: Path, records: int) -> NDArray[np.int16]:
    """A dataset of noise, and its signals."""
    signals = np.random.default_rng(0).integers(-900, 900, (records, len(LEADS), SAMPLES), np.int16)
    common = {"request": "dataset", "seed": 0, "try": 0, "text": "sinus rhythm", "age": 60.0, "sex": "female",
              "statements": ["SR"], "matched_record_id": "", "experience_id": "query:0", "experience": "word " * 60,
              "distiller": "offline", "neighbours": [f"ptb-xl/{n:05d}" for n in range(20)], "similarities": [0.5] * 20,
              "simulator_statement": "SR", "model": "a" * 64, "fingerprint": "f" * 64}  # fmt: skip
    (folder / "records").mkdir(parents=True)
    for number, start in enumerate(range(0, records, ROWS_PER_GROUP)):
        part = signals[start : start + ROWS_PER_GROUP]
        rows = [{**common, "record_id": f"dataset/{start + row:06d}", "index": start + row} for row in range(len(part))]
        table = pa.Table.from_pylist(rows, schema=SCHEMA.remove(len(SCHEMA) - 1))
        write_table(
            table.append_column(SCHEMA[-1], signal_column(part)), folder / f"records/shard-{number:06d}.parquet"
        )
    return signals


def plain_wfdb(signals: NDArray[np.int16], out: Path) -> None:
    """The package's own writer."""
    for number, signal in enumerate(signals):
        wfdb.wrsamp(
            f"ecg{number:06d}", fs=100, units=["mV"] * 12, sig_name=list(LEADS), d_signal=signal.T.astype(np.int64),
            fmt=["16"] * 12, adc_gain=[1000.0] * 12, baseline=[0] * 12, comments=["SYNTHETIC"], write_dir=str(out),
        )  # fmt: skip


def plain_dicom(signals: NDArray[np.int16], out: Path) -> None:
    """Samples at 500 Hz, without the channels' definitions, patient and comments that the standard asks for."""
    for number, signal in enumerate(signals):
        file, group = Dataset(), Dataset()
        dense = np.rint(resample_poly(signal.astype(np.float64), 5, 1, axis=-1)).astype("<i2")
        file.SOPClassUID, file.SOPInstanceUID = TwelveLeadECGWaveformStorage, generate_uid()
        group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = dense.shape
        group.SamplingFrequency, group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 500, 16, "SS"
        group.WaveformData = np.ascontiguousarray(dense.T).tobytes()
        file.WaveformSequence, file.file_meta = Items([group]), FileMetaDataset()
        file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
        file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.save_as(out / f"ecg{number:06d}.dcm", enforce_file_format=True)


def plain_numpy(signals: NDArray[np.int16], out: Path) -> None:
    """One file."""
    np.save(out / "signals.npy", signals)


def plain_drawn(suffix: str) -> Callable[[NDArray[np.int16], Path], None]:
    """Twelve lines on one axes, without a grid."""

    def draw(signals: NDArray[np.int16], out: Path) -> None:
        for number, signal in enumerate(signals):
            figure = Figure(figsize=(11, 6))
            FigureCanvasAgg(figure)
            axes = figure.subplots()
            for row, lead in enumerate(signal):
                axes.plot(lead / 1000 - 3 * row, linewidth=0.5)
            figure.savefig(out / f"ecg{number:06d}.{suffix}")

    return draw


PLAIN: Sequence[tuple[str, Callable[[NDArray[np.int16], Path], None]]] = (
    ("numpy", plain_numpy),
    ("wfdb", plain_wfdb),
    ("dicom", plain_dicom),
    *((suffix, plain_drawn(suffix)) for suffix in DRAWN),
)


def rates(folder: Path, signals: NDArray[np.int16], drawn: int) -> Iterator[tuple[str, Timed, Timed]]:
    """Of each format: by the export, and by the plain loop."""
    for name, plain in PLAIN:
        count, out = drawn if name in DRAWN else len(signals), folder / f"plain-{name}"
        export(folder / "dataset", name, folder / f"warm-{name}", 1)
        ours = timed(count, lambda name=name, count=count: export(folder / "dataset", name, folder / name, count))
        out.mkdir()
        plain(signals[:1], out)
        yield name, ours, timed(count, lambda plain=plain, count=count, out=out: plain(signals[:count], out))


def main() -> None:
    """Print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--drawn", type=int, default=20, help="of them on paper")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        signals = write_dataset(Path(name) / "dataset", arguments.records)
        print(f"{'format':<8}{'records/s':>12}{'plain loop':>12}")
        for form, ours, plain in rates(Path(name), signals, arguments.drawn):
            print(f"{form:<8}{ours}{plain}", flush=True)


if __name__ == "__main__":
    main()
