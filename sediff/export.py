"""Synthetic records in formats that others read."""

import textwrap
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from sediff.ecg import LEADS, MICROVOLTS_PER_MILLIVOLT, SAMPLING_RATE
from sediff.errors import UserError
from sediff.phrases import UMLAUTS

LONGEST_COMMENT = 240  # characters; WFDB's header lines have 255 at most


def write_wfdb(signal: NDArray[np.int16], folder: Path, name: str, comments: Sequence[str]) -> None:
    """Write one record as WFDB format 16 at 1000 units a mV, so that microvolts stay exact.

    Args:
        signal: (12, samples), int16 µV.
        comments: lines for the header; they should say that the record is synthetic, and from what.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wfdb.wrsamp(
            name,
            fs=SAMPLING_RATE,
            units=["mV"] * len(LEADS),
            sig_name=list(LEADS),
            d_signal=signal.T.astype(np.int64),
            fmt=["16"] * len(LEADS),
            adc_gain=[float(MICROVOLTS_PER_MILLIVOLT)] * len(LEADS),
            baseline=[0] * len(LEADS),
            comments=[line for comment in comments for line in _lines(comment)],
            write_dir=str(folder),
        )
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}): give another --out.") from None


def _lines(comment: str) -> list[str]:
    """A comment in lines that a header takes: printable ASCII (readers drop all else), long ones wrapped."""
    ascii_only = unicodedata.normalize("NFKD", comment.translate(UMLAUTS)).encode("ascii", "replace").decode()
    printable = "".join(character if character.isprintable() else " " for character in ascii_only)
    return textwrap.wrap(printable, LONGEST_COMMENT, subsequent_indent="  ", break_on_hyphens=False)
