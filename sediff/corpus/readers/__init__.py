"""Readers of raw corpora, by the name that params.yaml uses; the first that recognises a folder is its reader."""

from sediff.corpus.readers.base import RawRecord, Reader, Rejection
from sediff.corpus.readers.challenge import ChallengeReader
from sediff.corpus.readers.ludb import LudbReader
from sediff.corpus.readers.mimic_iv_ecg import MimicIvEcgReader
from sediff.corpus.readers.ptb_xl import PtbXl500Reader, PtbXlReader
from sediff.corpus.readers.wfdb_folder import WfdbReader

READERS: dict[str, type[Reader]] = {
    "ptb-xl": PtbXlReader,
    "ptb-xl-500": PtbXl500Reader,
    "mimic-iv-ecg": MimicIvEcgReader,
    "ludb": LudbReader,
    "challenge": ChallengeReader,
    "wfdb": WfdbReader,
}

__all__ = ["READERS", "RawRecord", "Reader", "Rejection"]
