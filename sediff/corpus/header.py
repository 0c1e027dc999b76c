"""WFDB headers: their syntax by wfdb's own patterns, what they declare checked before it is believed.

`wfdb.rdheader` spends nine tenths of its time looking up each field's type in a pandas table. Here wfdb's patterns
take the lines apart and the types are given in place, which a test compares with `wfdb.rdheader`.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime

from wfdb.io._signal import DATA_LOAD_TYPES
from wfdb.io.header import rx_record, rx_signal, wfdb_strptime

from sediff.corpus.readers.comments import split_lines
from sediff.corpus.screening import UnusableError

MAX_LINE = 1000  # characters; wfdb's patterns need time that grows with the square of a word's length
MAX_LEADS = 256
MAX_BASELINE = 2**31  # WFDB's widest samples have 32 bits
MAX_VALUES = 8_000_000  # leads times samples, 11 min of 12 leads at 1 kHz: what declares more is no short ECG


@dataclass(frozen=True)
class Channel:
    """One signal line; gain in units of the ADC a unit of the signal, None where it is not stated."""

    name: str
    format: str
    offset: int
    gain: float | None
    baseline: int
    unit: str
    initial: int
    checksum: int | None


@dataclass(frozen=True)
class Header:
    """A single-segment record whose channels lie in one file: rate in Hz, samples a channel."""

    rate: float
    samples: int
    channels: tuple[Channel, ...]
    repairs: tuple[str, ...] = ()


def parse_header(content: bytes, name: str, signal_name: str) -> Header:
    """Take a header apart.

    Args:
        content: of the header's file.
        name: of the header's file, for messages.
        signal_name: the one file that may hold the signal.

    Raises:
        UnusableError: "bad_header", "too_large" or "unsupported".
    """
    lines, _ = split_lines(content)
    if not lines:
        raise UnusableError("bad_header", f"{name} holds nothing")
    if any(len(line) > MAX_LINE for line in lines):
        raise UnusableError("bad_header", f"{name} has a line of more than {MAX_LINE} characters")
    try:
        count, rate, samples = _record_line(lines[0], name)
        if len(lines) != 1 + count:
            raise UnusableError("bad_header", f"{name} declares {count} leads and describes {len(lines) - 1}")
        channels = tuple(_signal_line(line, name, signal_name) for line in lines[1:])
    except (ValueError, OverflowError) as error:
        if isinstance(error, UnusableError):
            raise
        raise UnusableError("bad_header", f"{name}: {error}") from None
    if len({(channel.format, channel.offset) for channel in channels}) > 1:
        raise UnusableError("unsupported", f"{name} gives one file two formats")
    repairs = () if _wfdb_date(lines[0].split()[4:]) else ("date_dropped",)
    return Header(rate, samples, channels, repairs)


def _record_line(line: str, name: str) -> tuple[int, float, int]:
    """Leads, rate in Hz, samples. Only the first four words count: wfdb fails on dates such as 12-May-2020."""
    words = line.split()[:4]
    match = rx_record.match(" ".join(words))
    if match is not None and match["n_seg"]:
        raise UnusableError("unsupported", f"{name}: a record of {match['n_seg']} segments")
    if match is None or match.end() != len(" ".join(words)) or not (match["fs"] and match["sig_len"]):
        raise UnusableError("bad_header", f"{name} does not state its leads, rate and samples: {line[:80]!r}")
    count, rate, samples = int(match["n_sig"]), float(match["fs"]), int(match["sig_len"])
    if not (count and samples and 0 < rate < math.inf):
        raise UnusableError("bad_header", f"{name} declares {count} leads, {samples} samples, {rate:g} Hz")
    if count > MAX_LEADS or count * samples > MAX_VALUES:
        raise UnusableError("too_large", f"{name} declares {samples} samples of {count} leads")
    return count, rate, samples


def _signal_line(line: str, name: str, signal_name: str) -> Channel:
    if line.split()[0] != signal_name:
        raise UnusableError("bad_header", f"{name} names another signal file than {signal_name}: {line[:80]!r}")
    match = rx_signal.match(line)
    if match is None:
        raise UnusableError("bad_header", f"{name}: a signal line breaks WFDB's syntax: {line[:80]!r}")
    if match["fmt"] not in DATA_LOAD_TYPES or match["samps_per_frame"] not in ("", "1") or int(match["skew"] or 0):
        raise UnusableError("unsupported", f"{name}: format {line.split()[1]}")
    gain = float(match["adc_gain"]) if match["adc_gain"] else None
    if gain is not None and not math.isfinite(gain):
        raise ValueError(f"a gain of {match['adc_gain']}")
    baseline = int(match["baseline"] or match["adc_zero"] or 0)  # WFDB: the ADC's zero stands in
    if abs(baseline) > MAX_BASELINE:
        raise ValueError(f"a baseline of {baseline}")
    return Channel(
        name=match["sig_name"].strip(),
        format=match["fmt"],
        offset=int(match["byte_offset"] or 0),
        gain=gain,
        baseline=baseline,
        unit=match["units"] or "mV",
        initial=int(match["init_value"] or 0),
        checksum=int(match["checksum"]) if match["checksum"] else None,
    )


def _wfdb_date(words: list[str]) -> bool:
    """Whether what follows the size is empty, or a time and a date as WFDB writes them."""
    if not words:
        return True
    if len(words) > 2 or not re.fullmatch(r"[\d:.]+", words[0]):
        return False
    try:
        wfdb_strptime(words[0])
        if len(words) == 2:
            datetime.strptime(words[1], "%d/%m/%Y")
    except (ValueError, UnboundLocalError):  # wfdb knows no time of four parts
        return False
    return True
