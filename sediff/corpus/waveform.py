"""From one WFDB record to a screened signal on the project's grid, or the reason why not."""

from collections.abc import Mapping
from math import gcd
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray
from scipy.signal import resample_poly

from sediff.corpus.params import ScreeningParams
from sediff.ecg import LEADS, SAMPLES, SAMPLING_RATE, limb_lead_residual, to_microvolts
from sediff.files import sha256_file

# What wfdb raises on headers and signals that are damaged.
HEADER_ERRORS = (wfdb.io.header.HeaderSyntaxError, KeyError, TypeError, AttributeError)
SIGNAL_ERRORS = (ValueError, IndexError, OSError, ArithmeticError, MemoryError)
MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3}
MISSING_SAMPLE = -(2**15)  # WFDB's mark for an invalid sample in format 16
MAX_SAMPLES = 100_000_000  # leads times samples; a header that declares more is damaged, not a short ECG
CHECKSUM_MODULUS = 65536


class UnusableError(ValueError):
    """A recording that cannot be used: `reason` is the rule's name, `detail` what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def read_waveform(root: Path, path: Path, hashes: Mapping[str, str], limits: ScreeningParams) -> NDArray[np.int16]:
    """Read, check and resample one record.

    Args:
        root: the source's folder.
        path: WFDB record without suffix, relative to `root`.
        hashes: SHA-256 of each file in the inventory by its relative path.
        limits: screening limits.

    Returns:
        int16 microvolts, (12, 1000), leads in the standard order.

    Raises:
        UnusableError: with the name of the rule.
    """
    _check_files(root, path, hashes)
    record = _read(root / path)
    millivolts = _millivolts(record)
    _screen(millivolts, limits)
    return to_microvolts(_on_grid(millivolts, record.fs))


def _check_files(root: Path, path: Path, hashes: Mapping[str, str]) -> None:
    for suffix in (".hea", ".dat"):
        name = f"{path.as_posix()}{suffix}"
        if name not in hashes or not (root / name).is_file():
            raise UnusableError("missing_file", f"{name} is not there")
        if sha256_file(root / name) != hashes[name]:
            raise UnusableError("changed_file", f"{name} changed since it was scanned")


def _read(path: Path) -> wfdb.Record:
    _check_header(path)
    try:
        return wfdb.rdrecord(str(path), physical=False)
    except HEADER_ERRORS as error:
        raise UnusableError("bad_header", _first_line(error, path)) from None
    except SIGNAL_ERRORS as error:
        raise UnusableError("bad_signal", _first_line(error, path)) from None


def _check_header(path: Path) -> None:
    """Refuse what wfdb would follow too far: absurd sizes and signal files outside the record's folder."""
    text = path.with_suffix(".hea").read_text(encoding="utf-8", errors="replace")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    sizes = lines[0][1:4:2] if lines else []
    if len(sizes) != 2 or not all(size.isdecimal() for size in sizes):
        raise UnusableError("bad_header", f"{path.name}.hea does not state its leads and samples")
    leads, samples = int(sizes[0]), int(sizes[1])
    if not 0 < leads * samples <= MAX_SAMPLES:
        raise UnusableError("bad_header", f"{path.name}.hea declares {samples} samples of {leads} leads")
    if any(line[0] != f"{path.name}.dat" for line in lines[1:]):
        raise UnusableError("bad_header", f"{path.name}.hea names another signal file than {path.name}.dat")


def _first_line(error: BaseException, path: Path) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return f"{path.name}: {text}".replace(f"{path.parent}/", "")


def _millivolts(record: wfdb.Record) -> NDArray[np.float64]:
    """Digital samples to mV, (12, samples), leads reordered by name."""
    names = {name.strip().upper(): column for column, name in enumerate(record.sig_name or [])}
    missing = [lead for lead in LEADS if lead.upper() not in names]
    if missing:
        raise UnusableError("missing_lead", f"no lead {', '.join(missing)}")
    columns = [names[lead.upper()] for lead in LEADS]
    digital = np.asarray(record.d_signal)[:, columns]
    if (digital == MISSING_SAMPLE).any() or not np.isfinite(digital).all():
        raise UnusableError("nan", "invalid samples in the signal")
    stated = [record.checksum[column] for column in columns]
    sums = digital.astype(np.int64).sum(0) % CHECKSUM_MODULUS
    for lead, expected, found in zip(LEADS, stated, sums, strict=True):
        if expected is not None and expected % CHECKSUM_MODULUS != found:
            raise UnusableError(
                "checksum", f"lead {lead} sums to {found}, its header says {expected % CHECKSUM_MODULUS}"
            )
    unknown = [record.units[column] for column in columns if record.units[column] not in MILLIVOLTS]
    if unknown:
        raise UnusableError("unknown_unit", f"unit {unknown[0]}")
    gain = np.array([record.adc_gain[column] / MILLIVOLTS[record.units[column]] for column in columns])
    baseline = np.array([record.baseline[column] for column in columns])
    if not (np.isfinite(gain).all() and (gain != 0).all()):
        raise UnusableError("bad_header", "a gain of zero")
    return ((digital - baseline) / gain).T


def _screen(millivolts: NDArray[np.float64], limits: ScreeningParams) -> None:
    largest = np.abs(millivolts).max()
    if largest > limits.max_amplitude_mv:
        raise UnusableError("amplitude", f"{largest:.2f} mV")
    flat = np.ptp(millivolts, axis=1) < limits.flat_range_mv
    if flat.any():
        raise UnusableError("flat_lead", f"lead {', '.join(np.array(LEADS)[flat])}")
    residual = np.abs(limb_lead_residual(millivolts)).max()
    if residual > limits.max_limb_lead_residual_mv:
        raise UnusableError("limb_leads", f"the limb leads contradict each other by {residual:.3f} mV")


def _on_grid(millivolts: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Resample to 100 Hz by a polyphase filter (zero phase, reflected edges) and take the first 10 s."""
    if not rate or rate != round(rate) or rate < SAMPLING_RATE:
        raise UnusableError("sampling_rate", f"{rate} Hz")
    if millivolts.shape[1] < round(rate) * SAMPLES / SAMPLING_RATE:
        raise UnusableError("too_short", f"{millivolts.shape[1] / rate:.2f} s")
    if rate != SAMPLING_RATE:
        common = gcd(int(rate), SAMPLING_RATE)
        millivolts = resample_poly(millivolts, SAMPLING_RATE // common, int(rate) // common, axis=1, padtype="reflect")
    return millivolts[:, :SAMPLES]
