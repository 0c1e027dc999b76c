"""Signals of the virtual cohort: a patient's waves on a rhythm, with the noise of a real recording."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.cohort.conditions import ECTOPIC_WAVES, NORMAL_WAVES, T_WAVES, Condition, Wave
from sediff.ecg import SAMPLES, SAMPLING_RATE, to_microvolts, twelve_leads
from sediff.simulator.rhythm import FIBRILLATION, TACHYCARDIA, Beats, sample_r_peaks

TIME = np.arange(SAMPLES) / SAMPLING_RATE
NORMAL_PR, NORMAL_QRS = 0.155, 0.088  # s
QTC = {"male": 0.400, "female": 0.414}  # s, Fridericia
DISPERSION = {FIBRILLATION: (0.26, 0.05), TACHYCARDIA: (0.008, 0.003)}
SINUS_DISPERSION = (0.028, 0.012)  # RMSSD / RR of a middle-aged heart in sinus rhythm
REFERENCE_QT = 0.37  # s: the QT of NORMAL_WAVES
QRS_ONSET = 0.042  # s before R in NORMAL_WAVES
FIBRILLATORY = np.array([0.01, 0.035, 0.075, 0.04, 0.015, 0.01, 0.01, 0.01])  # mV of f waves by lead


@dataclass(frozen=True)
class Patient:
    """What one simulated patient carries through all recordings."""

    age: float
    sex: str
    gains: NDArray[np.float64]
    axis: float
    qtc: float
    pr: float
    width: float


@dataclass(frozen=True)
class Truth:
    """What is true of a recording: intervals in ms, R peaks in s, which of them are ectopic."""

    heart_rate: float
    pr: float | None
    qrs: float
    qt: float
    r_peaks: list[float]
    ectopic: list[bool]


def draw_patient(condition: Condition, sex: str, age: float, rng: np.random.Generator) -> Patient:
    """Draw a patient: voltage falls with age and is lower in women, QTc is longer in women."""
    overall = np.exp(rng.normal(0, 0.16)) * (1.08 if sex == "male" else 0.94) * (1.12 - 0.002 * age)
    gains = overall * np.exp(rng.normal(0, 0.12, 8))
    return Patient(
        age=age,
        sex=sex,
        gains=gains,
        axis=np.deg2rad(np.clip(rng.normal(0, 14), -35, 35) - 0.25 * (age - 55)),
        qtc=QTC[sex] + rng.normal(0, 0.014) + 0.0001 * (age - 55),
        pr=NORMAL_PR + condition.pr + rng.normal(0, 0.015) + 0.0003 * (age - 55),
        width=float(np.exp(rng.normal(0, 0.07))),
    )


def draw_recording(condition: Condition, patient: Patient, rng: np.random.Generator) -> tuple[NDArray[np.int16], Truth]:
    """Draw one recording: int16 microvolts (12, 1000), and what is true of it."""
    low, high = (130, 215) if condition.rhythm == TACHYCARDIA else (38, 150)
    rate = float(np.clip(rng.normal(*condition.rate), low, high))
    mean, deviation = DISPERSION.get(condition.rhythm, SINUS_DISPERSION)
    dispersion = float(np.clip(rng.normal(mean, deviation), 0.003, 0.5))
    times, ectopic = sample_r_peaks(Beats(condition.rhythm, dispersion, 0.1), rate, rng)
    rr = 60 / rate
    qt = patient.qtc * rr ** (1 / 3) + condition.qrs * 0.6
    waves = _shape({**NORMAL_WAVES, **condition.waves}, patient, qt)
    x = _render(waves, times[~ectopic], times) + _render(_shape(ECTOPIC_WAVES, patient, qt), times[ectopic], times)
    x = _turn(x * patient.gains[:, None], patient.axis)
    if condition.rhythm == FIBRILLATION:
        x += _fibrillation(rng) * patient.gains[:, None]
    x += _noise(rng)
    inside = (times >= 0) & (times < SAMPLES / SAMPLING_RATE)
    truth = Truth(
        heart_rate=rate,
        pr=None if condition.waves.get("P", waves.get("P")) is None else 1000 * patient.pr,
        qrs=1000 * (NORMAL_QRS * patient.width + condition.qrs),
        qt=1000 * qt,
        r_peaks=[round(float(t), 4) for t in times[inside]],
        ectopic=ectopic[inside].tolist(),
    )
    return twelve_leads(to_microvolts(x)), truth


def _shape(waves: Mapping[str, Wave | None], patient: Patient, qt: float) -> dict[str, Wave]:
    """The patient's own waves: P placed by PR, T by QT, QRS of the patient's width."""
    shaped = {}
    for name, wave in waves.items():
        if wave is None:
            continue
        time, width = wave.time * patient.width, wave.width * patient.width
        if name == "P":
            time, width = -QRS_ONSET * patient.width - patient.pr + 2.2 * wave.width, wave.width
        elif name in (*T_WAVES, "ST"):
            stretch = (qt - QRS_ONSET) / (REFERENCE_QT - QRS_ONSET)
            time, width = wave.time * stretch, wave.width * stretch
        shaped[name] = Wave(time, width, wave.amplitude)
    return shaped


def _render(waves: Mapping[str, Wave], times: NDArray[np.float64], every: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the waves of some beats, (8, 1000) in mV; T is cut short where the next beat comes early."""
    x = np.zeros((8, SAMPLES))
    if not len(times):
        return x
    following = np.append(np.diff(every), 1.0)[np.searchsorted(every, times)]
    for wave in waves.values():
        squeeze = np.minimum(1.0, following / 0.62) if wave.time > 0.1 else 1.0
        distance = (TIME[:, None] - times - wave.time * squeeze) / (wave.width * squeeze)
        x += np.outer(wave.amplitude, np.exp(-0.5 * np.minimum(distance**2, 60)).sum(1))
    return x


def _turn(x: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Turn the frontal axis: I and aVF are its coordinates, II = aVF + I / 2."""
    i, avf = x[0], x[1] - x[0] / 2
    turned_i = np.cos(angle) * i - np.sin(angle) * avf
    turned_avf = np.sin(angle) * i + np.cos(angle) * avf
    return np.concatenate([[turned_i, turned_avf + turned_i / 2], x[2:]])


def _fibrillation(rng: np.random.Generator) -> NDArray[np.float64]:
    """f waves: 5 to 8 Hz, wandering in frequency and size, (8, 1000) in mV."""
    frequency = rng.uniform(5, 8) + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * TIME + rng.uniform(0, 6))
    angle = 2 * np.pi * np.cumsum(frequency) / SAMPLING_RATE + rng.uniform(0, 6)
    size = rng.uniform(0.5, 1.3) * (1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * TIME))
    return np.outer(FIBRILLATORY, size * (np.sin(angle) + 0.3 * np.sin(2 * angle + 1)))


def _noise(rng: np.random.Generator) -> NDArray[np.float64]:
    """Drift with the breath and slower, and muscle noise, (8, 1000) in mV."""
    drift = np.zeros((8, SAMPLES))
    for frequency, size in ((rng.uniform(0.15, 0.35), 0.03), (rng.uniform(0.03, 0.12), 0.05)):
        phases, sizes = rng.uniform(0, 2 * np.pi, 8), size * rng.gamma(2, 0.5, 8)
        drift += sizes[:, None] * np.sin(2 * np.pi * frequency * TIME + phases[:, None])
    white = rng.normal(0, 1, (8, SAMPLES + 2))
    muscle = (white[:, :-2] + 1.4 * white[:, 1:-1] + white[:, 2:]) / 2.0
    return drift + 0.006 * rng.gamma(3, 1 / 3) * muscle
