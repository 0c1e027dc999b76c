"""Readers of raw corpora, by the name that params.yaml uses."""

from sediff.corpus.readers.base import RawRecord, Reader, Rejection
from sediff.corpus.readers.ptb_xl import PtbXlReader

READERS: dict[str, type[Reader]] = {"ptb-xl": PtbXlReader}

__all__ = ["READERS", "RawRecord", "Reader", "Rejection"]
