"""Files of a record that the page shows or gives away, made in memory."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from sediff.export.formats import draw
from sediff.export.record import Record
from sediff.export.wfdb import wfdb_files

NO_DATE = (1980, 1, 1, 0, 0, 0)  # the first that zip knows


def zipped(record: Record) -> bytes:
    """Header and signals in WFDB's format."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for suffix, content in wfdb_files(record.signal, record.name, record.comments()).items():
            archive.writestr(zipfile.ZipInfo(f"{record.name}{suffix}", NO_DATE), content)
    return stream.getvalue()


def drawn(suffix: str) -> Callable[[Record], bytes]:
    """A writer of ECG paper as ".svg" or ".pdf"."""

    def write(record: Record) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"ecg{suffix}"
            draw(record, path)
            return path.read_bytes()

    return write


FILES: Mapping[str, tuple[str, Callable[[Record], bytes]]] = {
    "ecg.svg": ("image/svg+xml", drawn(".svg")),
    "ecg.pdf": ("application/pdf", drawn(".pdf")),
    "ecg.zip": ("application/zip", zipped),
}
