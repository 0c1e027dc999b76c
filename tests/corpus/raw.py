"""Raw recordings for the tests of readers and screening, made here and written by wfdb."""

from pathlib import Path

import numpy as np
import wfdb
from scipy.io import savemat

from sediff.corpus.readers import RawRecord
from sediff.ecg import LEADS, LIMB_LEADS
from sediff.files import sha256_file

GAINS = (1.2, 0.9, 0.3, 0.7, 1.1, 1.4, 1.5, 1.2)  # of the R wave in I, II, V1 to V6


def ecg(rate: int = 500, seconds: float = 10, seed: int = 0) -> np.ndarray:
    """(12, samples) in mV: P, QRS and T at 70 a minute, and a little noise."""
    time = np.arange(round(rate * seconds)) / rate
    rng = np.random.default_rng(seed)
    wave = np.zeros_like(time)
    for beat in np.arange(0.4, seconds, 60 / 70):
        for shift, width, height in ((-0.17, 0.025, 0.12), (0, 0.011, 1.0), (0.03, 0.01, -0.25), (0.28, 0.05, 0.3)):
            wave += height * np.exp(-((time - beat - shift) ** 2) / (2 * width**2))
    eight = np.outer(GAINS, wave) + 0.004 * rng.standard_normal((8, len(time)))
    return np.concatenate([eight[:2], LIMB_LEADS @ eight[:2], eight[2:]])


def write_wfdb(
    path: Path,
    signal: np.ndarray,
    rate: int = 500,
    names: tuple[str, ...] = LEADS,
    gain: float = 1000.0,
    fmt: str = "16",
    comments: tuple[str, ...] = (),
) -> Path:
    """Write `path.hea` and `path.dat` with wfdb; signal (leads, samples) in mV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(names)
    digital = np.rint(signal * gain).astype(np.int64)
    wfdb.wrsamp(
        path.name, rate, ["mV"] * count, list(names), d_signal=digital.T, fmt=[fmt] * count, adc_gain=[gain] * count,
        baseline=[0] * count, comments=list(comments), write_dir=str(path.parent),
    )  # fmt: skip
    return path


def write_challenge(path: Path, signal: np.ndarray, rate: int, comments: tuple[str, ...], date: str = "") -> Path:
    """Write `path.hea` and `path.mat` as the Challenges have them: MATLAB 4, the samples from byte 24 on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digital = np.rint(signal * 1000).astype(np.int16)
    savemat(path.with_suffix(".mat"), {"val": digital}, format="4")
    lines = [f"{path.name} 12 {rate} {digital.shape[1]} {date}".strip()]
    for lead, samples in zip(LEADS, digital, strict=True):
        total = int(samples.astype(np.int64).sum()) % 65536
        lines.append(f"{path.name}.mat 16x1+24 1000.0(0)/mV 16 0 {samples[0]} {total} 0 {lead}")
    path.with_suffix(".hea").write_text("\n".join([*lines, *comments]) + "\n")
    return path


def record_of(root: Path, name: str, **fields) -> RawRecord:
    """What a reader would say of a record."""
    return RawRecord(f"raw/{name}", "raw/1", "raw", Path(name), **fields)


def hashes_of(root: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder."""
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in root.rglob("*") if path.is_file()}
