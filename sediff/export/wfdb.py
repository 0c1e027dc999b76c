"""WFDB records: a header and a signal file in format 16, as PhysioNet's tools read them.

Written here and not by the wfdb package, which takes 15 ms a record for its header; a test holds the bytes of both
against each other.
"""

import textwrap
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sediff.ecg import LEADS, MICROVOLTS_PER_MILLIVOLT, SAMPLING_RATE
from sediff.files import replacing
from sediff.phrases import UMLAUTS

LONGEST_COMMENT = 240  # characters; WFDB's header lines have 255 at most
SUFFIXES = (".hea", ".dat")


def write_wfdb(signal: NDArray[np.int16], folder: Path, name: str, comments: Sequence[str]) -> None:
    """Write one record at 1000 units a mV, so that microvolts stay exact.

    Args:
        signal: (12, samples), int16 µV.
        comments: lines for the header; they should say that the record is synthetic, and from what.
    """
    contents = wfdb_files(signal, name, comments)
    for suffix, content in contents.items():
        with replacing(folder / f"{name}{suffix}") as temporary:
            temporary.write_bytes(content)


def wfdb_files(signal: NDArray[np.int16], name: str, comments: Sequence[str]) -> dict[str, bytes]:
    """The two files of a record, by suffix."""
    samples = np.ascontiguousarray(signal.T, "<i2")
    lines = [f"{name} {len(LEADS)} {SAMPLING_RATE} {len(samples)}"]
    for lead, values in zip(LEADS, signal, strict=True):
        checksum = int(values.sum(dtype=np.int64)) % 65_536
        lines.append(f"{name}.dat 16 {MICROVOLTS_PER_MILLIVOLT}.0(0)/mV 16 0 {values[0]} {checksum} 0 {lead}")
    lines += [f"# {line}" for comment in comments for line in _lines(comment)]
    header = "".join(f"{line}\n" for line in lines)
    return {".hea": header.encode("ascii"), ".dat": samples.tobytes()}


def _lines(comment: str) -> list[str]:
    """A comment in lines that a header takes: printable ASCII (readers drop all else), long ones wrapped.

    Letters lose their accents; what else is not ASCII stands as Python writes it, \\u5fc3, so that nothing is lost.
    """
    decomposed = unicodedata.normalize("NFKD", comment.translate(UMLAUTS))
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    ascii_only = plain.encode("ascii", "backslashreplace").decode()
    printable = "".join(character if character.isprintable() else " " for character in ascii_only)
    return textwrap.wrap(printable, LONGEST_COMMENT, subsequent_indent="  ", break_on_hyphens=False)
