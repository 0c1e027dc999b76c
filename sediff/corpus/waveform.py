"""From one WFDB record to a screened signal at its native rate, or the reason why not."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wfdb.io._signal import DATA_LOAD_TYPES, INVALID_SAMPLE_VALUE, _rd_dat_signals, _required_byte_num

from sediff.corpus.header import MAX_VALUES, Header, parse_header
from sediff.corpus.params import ScreeningParams
from sediff.corpus.readers.base import MAX_HEADER, RawRecord
from sediff.corpus.screening import Signal, UnusableError, screen
from sediff.ecg import DURATION, LEADS, LIMB_LEADS, SAMPLING_RATE

SIGNAL_ERRORS = (ValueError, IndexError, KeyError, TypeError, ArithmeticError)  # what wfdb raises on damaged signals
MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}  # both of Unicode's micros
DERIVED = LEADS[2:6]  # follow from I and II
MAX_SIGNAL = 4 * MAX_VALUES + (1 << 16)  # bytes: the widest format, and what may stand before the samples
CHECKSUM_MODULUS = 65536


@dataclass(frozen=True)
class Waveform:
    """A recording that passed.

    Attributes:
        signal: (12, samples) in mV at the native rate, standard order, 10 s at most.
        rate: Hz, a whole number.
        repairs: what was done to it, names of `REPAIRS`.
    """

    signal: Signal
    rate: float
    repairs: tuple[str, ...]


def read_waveform(root: Path, record: RawRecord, hashes: Mapping[str, str], limits: ScreeningParams) -> Waveform:
    """Read and screen one record.

    Args:
        root: the source's folder.
        hashes: SHA-256 of each file in the inventory by its relative path.
        limits: screening limits.

    Raises:
        UnusableError: with the name of the rule.
    """
    header_name, signal_name = record.files
    header_file = Path(header_name).name
    content = _content(root, header_name, hashes, MAX_HEADER, "bad_header")
    header = _with_gain(parse_header(content, header_file, Path(signal_name).name), record.gain)
    samples = _decode(header, _content(root, signal_name, hashes, MAX_SIGNAL, "bad_signal"), Path(signal_name).name)
    _check_sampling(header, record)
    columns, repairs = _columns(header)
    _check_sums(header, samples, columns)
    signal = _millivolts(header, samples, columns, limits, repairs)
    if "limb_leads_derived" in repairs:
        signal = _derive(signal, columns)
    screen(signal, header.rate, limits)
    return Waveform(signal, header.rate, (*header.repairs, *repairs))


def _content(root: Path, name: str, hashes: Mapping[str, str], limit: int, reason: str) -> bytes:
    """A file's bytes, read once: what is decoded is what was hashed."""
    path = os.path.join(root, name)  # noqa: PTH118  strings here and below: a third of the time of Path
    if not _is_inside(path, os.fspath(root)):
        raise UnusableError("unsafe_path", f"{name!r} leads out of the source's folder")
    if name not in hashes or not os.path.isfile(path):  # noqa: PTH113
        raise UnusableError("missing_file", f"{name} is not there")
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            size = os.fstat(stream.fileno()).st_size
            if size > limit:
                raise UnusableError(reason, f"{name}: {size} bytes, more than {limit}")
            content = stream.read()
    except OSError as error:
        raise UnusableError("missing_file", f"{name} cannot be opened: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != hashes[name]:
        raise UnusableError("changed_file", f"{name} changed since it was scanned")
    return content


def _is_inside(path: str, root: str) -> bool:
    """Whether a path stays in the folder when its links are followed."""
    try:
        return os.path.realpath(path).startswith(_real(root) + os.sep)
    except (ValueError, OSError):  # a NUL; a name that is too long
        return False


@lru_cache(maxsize=16)
def _real(root: str) -> str:
    return os.path.realpath(root).rstrip(os.sep)


def _decode(header: Header, content: bytes, name: str) -> list[NDArray[np.integer]]:
    """Samples of each channel, decoded by wfdb from the bytes at hand (`wfdb.rdrecord` opens the file again)."""
    count, first = len(header.channels), header.channels[0]
    expected = first.offset + int(_required_byte_num("read", first.format, count * header.samples))
    if len(content) != expected:
        raise UnusableError("bad_signal", f"{name}: {len(content)} bytes, its header says {expected}")
    try:
        return _rd_dat_signals(
            file_name=name,
            dir_name="",
            pn_dir=None,
            fmt=first.format,
            n_sig=count,
            sig_len=header.samples,
            byte_offset=first.offset,
            samps_per_frame=[1] * count,
            skew=[0] * count,
            init_value=[channel.initial for channel in header.channels],
            sampfrom=0,
            sampto=header.samples,
            no_file=True,
            sig_data=np.frombuffer(content, DATA_LOAD_TYPES[first.format], offset=first.offset),
        )
    except SIGNAL_ERRORS as error:
        raise UnusableError("bad_signal", f"{name}: {error}") from None


def _with_gain(header: Header, gain: float | None) -> Header:
    """The header with the reader's gain where it has one that differs."""
    if gain is None or all(channel.gain == gain and not channel.baseline for channel in header.channels):
        return header
    channels = tuple(replace(channel, gain=gain, baseline=0, unit="mV") for channel in header.channels)
    return replace(header, channels=channels, repairs=(*header.repairs, "gain_replaced"))


def _check_sampling(header: Header, record: RawRecord) -> None:
    seconds = header.samples / header.rate
    if header.samples < DURATION * header.rate:
        raise UnusableError("too_short", f"{seconds:.2f} s, under {DURATION} s")
    if header.rate != round(header.rate) or header.rate < SAMPLING_RATE:
        raise UnusableError("sampling_rate", f"{header.rate:g} Hz: no whole number from {SAMPLING_RATE} Hz on")
    if record.rate is not None and header.rate != record.rate:
        raise UnusableError("sampling_rate", f"{header.rate:g} Hz, the layout promises {record.rate:g} Hz")


def _columns(header: Header) -> tuple[dict[str, int], list[str]]:
    """Where each standard lead stands, and the repairs that this takes."""
    standard = {lead.upper(): lead for lead in LEADS}
    found = [standard.get(channel.name.upper()) for channel in header.channels]
    present = [lead for lead in found if lead]
    twice = sorted({lead for lead in present if present.count(lead) > 1}, key=LEADS.index)
    missing = [lead for lead in LEADS if lead not in present and lead not in DERIVED]
    if missing or twice:
        told = [f"no lead {', '.join(missing)}"] * bool(missing) + [f"lead {', '.join(twice)} twice"] * bool(twice)
        raise UnusableError("missing_lead", "; ".join(told))
    columns = {lead: found.index(lead) for lead in LEADS if lead in present}
    repairs = {
        "leads_reordered": list(columns.values()) != sorted(columns.values()),
        "extra_leads_dropped": len(present) < len(found),
        "limb_leads_derived": len(columns) < len(LEADS),
        "cropped": header.samples > _kept(header),
    }
    return columns, [name for name, needed in repairs.items() if needed]


def _check_sums(header: Header, samples: list[NDArray[np.integer]], columns: dict[str, int]) -> None:
    for lead, column in columns.items():
        stated = header.channels[column].checksum
        found = int(samples[column].sum(dtype=np.int64)) % CHECKSUM_MODULUS
        if stated is not None and stated % CHECKSUM_MODULUS != found:
            raise UnusableError("checksum", f"lead {lead} sums to {found}, its header says {stated % CHECKSUM_MODULUS}")


def _millivolts(
    header: Header,
    samples: list[NDArray[np.integer]],
    columns: dict[str, int],
    limits: ScreeningParams,
    repairs: list[str],
) -> Signal:
    """Digital samples to mV, (leads, samples); adds to `repairs` where missing samples are filled in."""
    channels = {lead: header.channels[column] for lead, column in columns.items()}
    for lead, channel in channels.items():
        if channel.unit not in MILLIVOLTS:
            raise UnusableError("unknown_unit", f"lead {lead}: {channel.unit!r}")
        if not channel.gain:
            raise UnusableError("no_gain", f"lead {lead}")
    digital = np.stack([samples[column][: _kept(header)] for column in columns.values()])
    gain = np.array([channel.gain for channel in channels.values()], np.float64)
    unit = np.array([MILLIVOLTS[channel.unit] for channel in channels.values()])
    baseline = np.array([channel.baseline for channel in channels.values()], np.float64)
    with np.errstate(over="ignore"):
        signal = (digital - baseline[:, None]) / (gain / unit)[:, None]
    invalid = INVALID_SAMPLE_VALUE[header.channels[0].format]
    missing = ~np.isfinite(signal) if invalid is None else (digital == invalid) | ~np.isfinite(signal)
    if missing.any():
        _fill(signal, missing, tuple(columns), limits)
        repairs.append("samples_interpolated")
    return signal


def _fill(signal: Signal, missing: NDArray[np.bool_], leads: tuple[str, ...], limits: ScreeningParams) -> None:
    """Draw straight lines over missing samples, in place, unless they are too many."""
    counts = missing.sum(axis=1)
    if counts.max() > limits.max_missing_share * signal.shape[1]:
        told = ", ".join(f"{lead} {count}" for lead, count in zip(leads, counts, strict=True) if count)
        raise UnusableError("nan", f"missing samples of {signal.shape[1]}: {told}")
    at = np.arange(signal.shape[1])
    for lead in np.flatnonzero(counts):
        here = missing[lead]
        signal[lead, here] = np.interp(at[here], at[~here], signal[lead, ~here])


def _derive(signal: Signal, columns: dict[str, int]) -> Signal:
    """All twelve leads: what is there as it is, missing limb leads from I and II."""
    given = dict(zip(columns, signal, strict=True))
    derived = dict(zip(DERIVED, LIMB_LEADS @ signal[:2], strict=True))
    return np.stack([given[lead] if lead in given else derived[lead] for lead in LEADS])


def _kept(header: Header) -> int:
    """Samples of the first 10 s: nothing later is used, and a fault there is no reason."""
    return min(header.samples, DURATION * round(header.rate))
