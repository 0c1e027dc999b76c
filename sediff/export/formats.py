"""The formats: each takes the records of a dataset and writes files below a folder, holding one row group at most."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq

from sediff.ecg import LEADS, SAMPLES
from sediff.export.dataset import SyntheticDataset
from sediff.export.record import Record
from sediff.export.wfdb import write_wfdb
from sediff.paper import draw_ecg
from sediff.progress import track

A_FOLDER = 1000  # records


class Writer(Protocol):
    """Writes the records of a dataset below a folder that is there."""

    def __call__(self, dataset: SyntheticDataset, folder: Path) -> None: ...


def one_by_one(name: str, write: Callable[[Record, Path], None]) -> Writer:
    """A writer of files for each record, `records/NNN/ecgNNNNNN.*`, a thousand to a folder, listed in `RECORDS`.

    Args:
        write: of a record and its path without a suffix.
    """

    def writer(dataset: SyntheticDataset, folder: Path) -> None:
        records = (record for batch in dataset.batches() for record in batch.records())
        with (folder / "RECORDS").open("w", encoding="utf-8", newline="\n") as names:
            for record in track(records, len(dataset), f"export to {name}: records"):
                place = Path("records") / f"{record.index // A_FOLDER:03d}" / record.name
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                write(record, folder / place)
                names.write(f"{place.as_posix()}\n")

    return writer


def write_numpy(dataset: SyntheticDataset, folder: Path) -> None:
    """`signals.npy`, (records, 12, 1000) int16 µV, which numpy maps into memory, and the other columns beside it."""
    header = {"descr": "<i2", "fortran_order": False, "shape": (len(dataset), len(LEADS), SAMPLES)}
    batches = track(dataset.batches(), None, "export to numpy: row groups")
    with (
        (folder / "signals.npy").open("wb") as signals,
        pq.ParquetWriter(folder / "records.parquet", dataset.columns, compression="zstd") as columns,
    ):
        np.lib.format.write_array_header_1_0(signals, header)
        for batch in batches:
            signals.write(np.ascontiguousarray(batch.signals, "<i2").tobytes())
            columns.write_table(batch.columns)


def _wfdb(record: Record, path: Path) -> None:
    write_wfdb(record.signal, path.parent, path.name, record.comments())


def _dicom(record: Record, path: Path) -> None:
    from sediff.export.dicom import dicom_file  # it takes half a second to import

    path.with_suffix(".dcm").write_bytes(dicom_file(record))


def _drawn(suffix: str) -> Callable[[Record, Path], None]:
    return lambda record, path: draw(record, path.with_suffix(suffix))


def draw(record: Record, path: Path) -> None:
    """A record on ECG paper, as SVG, PNG or PDF by the suffix of `path`."""
    draw_ecg(record.signal, record.title, path, f"seed {record.seed}, index {record.index}, model {record.model[:16]}")


FORMATS: Mapping[str, Writer] = {
    "wfdb": one_by_one("wfdb", _wfdb),
    "dicom": one_by_one("dicom", _dicom),
    "numpy": write_numpy,
    **{name: one_by_one(name, _drawn(f".{name}")) for name in ("png", "svg", "pdf")},
}
