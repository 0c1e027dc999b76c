"""Signals of the virtual cohort: a patient's waves on a rhythm, with the noise of a real recording."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sediff.cohort.conditions import ECTOPIC_FORMS, NORMAL_WAVES, QRS, REPOLARISATION, Condition, Wave
from sediff.ecg import DURATION, INDEPENDENT_LEADS, SAMPLES, SAMPLING_RATE, to_microvolts, twelve_leads
from sediff.simulator.course import sample_r_peaks
from sediff.simulator.rhythm import FIBRILLATION, TACHYCARDIA, Beats

TIME = np.arange(SAMPLES) / SAMPLING_RATE
NORMAL_PR, NORMAL_QRS = 0.155, 0.09  # s
QTC = {"male": 0.400, "female": 0.414}  # s, Fridericia
DISPERSION = {FIBRILLATION: (0.26, 0.05), TACHYCARDIA: (0.008, 0.003)}
EARLY_SHARE = 0.1  # of the beats of a record with ectopy
EDGE = 2.2  # a wave begins and ends this many deviations from its top, at 9 % of its height
TANGENT = 2.0  # T ends where the tangent at its steepest point meets the baseline: two deviations
T_BEFORE_QRS = 0.02  # s between T and an early beat's QRS
FIBRILLATORY = np.array([0.01, 0.035, 0.075, 0.04, 0.015, 0.01, 0.01, 0.01])  # mV of f waves by lead
BREATH = 0.03  # by how much breathing changes the voltage of a beat
DISTURBED_SHARE = 0.04  # of the recordings have a loose electrode


@dataclass(frozen=True)
class Patient:
    """What one simulated patient carries through all recordings: gains by lead, frontal turn in rad, intervals in s."""

    age: float
    sex: str
    gains: NDArray[np.float64]
    turn: float
    qtc: float
    pr: float
    width: float
    focus: int


@dataclass(frozen=True)
class Truth:
    """What is true of a recording.

    Attributes:
        heart_rate: 60(n − 1)/(t_n − t_1) over its R peaks, bpm.
        pr, qrs, qt: of its normal beats, ms; PR is None without P waves. Waves begin and end 2.2 deviations from
            their tops, T at its tangent.
        axis: frontal axis of the QRS area, degrees.
        r_v5: the highest point of the normal beats' QRS in V5, mV.
        r_peaks: s.
        ectopic: which beats are.
        disturbed_lead: of the eight independent leads, the one with a loose electrode; "" where none is.
    """

    heart_rate: float
    pr: float | None
    qrs: float
    qt: float
    axis: float
    r_v5: float
    r_peaks: list[float]
    ectopic: list[bool]
    disturbed_lead: str


def draw_patient(condition: Condition, sex: str, age: float, rng: np.random.Generator) -> Patient:
    """Draw a patient: voltage falls with age and is lower in women, QTc is longer in women, the axis turns left."""
    overall = np.exp(rng.normal(0, 0.16)) * (1.08 if sex == "male" else 0.94) * (1.12 - 0.002 * age)
    return Patient(
        age=age,
        sex=sex,
        gains=overall * np.exp(rng.normal(0, 0.1, len(INDEPENDENT_LEADS))),
        turn=np.deg2rad(np.clip(rng.normal(0, 12), -25, 25) - 0.2 * (age - 60)),
        qtc=QTC[sex] + rng.normal(0, 0.014) + 0.0001 * (age - 55),
        pr=NORMAL_PR + condition.pr + np.clip(rng.normal(0, 0.014), -0.028, 0.028) + 0.0002 * (age - 55),
        width=float(np.exp(0.055 * np.clip(rng.normal(), -2, 2))),
        focus=int(rng.integers(len(ECTOPIC_FORMS))),
    )


def draw_recording(condition: Condition, patient: Patient, rng: np.random.Generator) -> tuple[NDArray[np.int16], Truth]:
    """Draw one recording: int16 microvolts (12, 1000), and what is true of it."""
    mean, deviation = condition.rate
    rate = mean + deviation * float(np.clip(rng.normal(), -2, 2))
    times, ectopic = sample_r_peaks(
        Beats(condition.rhythm, _dispersion(condition, patient, rng), EARLY_SHARE), rate, rng
    )
    pr = patient.pr - 0.0003 * (rate - 70)
    waves, onset, offset = _shape({**NORMAL_WAVES, **condition.waves}, patient, pr, rate)
    breath = 1 + BREATH * np.sin(2 * np.pi * rng.uniform(0.15, 0.35) * times + rng.uniform(0, 2 * np.pi))
    x = _render(waves, times, ~ectopic, breath)
    if ectopic.any():
        x += _render(_shape(ECTOPIC_FORMS[patient.focus], patient, pr, rate)[0], times, ectopic, breath)
    if condition.rhythm == FIBRILLATION:
        x += _fibrillation(rng)
    x = _turn(x * patient.gains[:, None], patient.turn) + _noise(rng)
    disturbed = _loosen_electrode(x, rng)
    inside = (times >= 0) & (times < DURATION)
    r_peaks = times[inside]
    truth = Truth(
        heart_rate=60 * (len(r_peaks) - 1) / (r_peaks[-1] - r_peaks[0]),
        pr=1000 * pr if "P" in waves else None,
        qrs=1000 * (onset + offset),
        qt=1000 * (onset + waves["T"].time + TANGENT * waves["T"].width),
        axis=_frontal_axis(waves, patient),
        r_v5=_highest(waves, patient, "V5"),
        r_peaks=[round(float(t), 4) for t in r_peaks],
        ectopic=ectopic[inside].tolist(),
        disturbed_lead=disturbed,
    )
    return twelve_leads(to_microvolts(x)), truth


def _dispersion(condition: Condition, patient: Patient, rng: np.random.Generator) -> float:
    """RMSSD over mean RR; in sinus rhythm it falls with age."""
    mean, deviation = DISPERSION.get(condition.rhythm, (0.050 - 0.0004 * patient.age, 0.009))
    return float(np.clip(rng.normal(mean, deviation), 0.003, 0.5))


def _shape(
    waves: Mapping[str, Wave | None], patient: Patient, pr: float, rate: float
) -> tuple[dict[str, Wave], float, float]:
    """The patient's own waves, and how long before R the QRS begins and after R it ends, s.

    QRS has the patient's width, P begins PR before it, and T ends QT after its begin. QT goes with the cube root
    of RR (Fridericia) and with a wide QRS.
    """
    present = {name: wave for name, wave in waves.items() if wave is not None}
    shaped = {
        name: Wave(wave.time * patient.width, wave.width * patient.width, wave.amplitude)
        for name, wave in present.items()
        if name in QRS
    }
    onset = max(EDGE * wave.width - wave.time for wave in shaped.values())
    offset = max(EDGE * wave.width + wave.time for wave in shaped.values())
    if "P" in present:
        p = present["P"]
        shaped["P"] = Wave(EDGE * p.width - onset - pr, p.width, p.amplitude)
    qt = patient.qtc * (60 / rate) ** (1 / 3) + 0.6 * max(onset + offset - NORMAL_QRS, 0)
    t = present["T"]
    stretch = (qt - onset) / (t.time + TANGENT * t.width)
    for name in REPOLARISATION:
        if name in present:
            wave = present[name]
            shaped[name] = Wave(wave.time * stretch, wave.width * stretch, wave.amplitude)
    return shaped, onset, offset


def _render(
    waves: Mapping[str, Wave], times: NDArray[np.float64], rows: NDArray[np.bool_], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of the waves of some beats, (8, 1000) in mV; T is cut short where the next beat comes early."""
    onset = max(EDGE * wave.width - wave.time for name, wave in waves.items() if name in QRS)
    t_end = waves["T"].time + TANGENT * waves["T"].width
    room = (np.append(np.diff(times), np.inf)[rows] - onset - T_BEFORE_QRS) / t_end
    x = np.zeros((len(INDEPENDENT_LEADS), SAMPLES))
    for name, wave in waves.items():
        squeeze = np.clip(room, 0.4, 1.0) if name in REPOLARISATION else 1.0
        distance = (TIME[:, None] - times[rows] - wave.time * squeeze) / (wave.width * squeeze)
        x += np.outer(wave.amplitude, np.exp(-0.5 * np.minimum(distance**2, 60)) @ size[rows])
    return x


def _turn(x: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Turn the frontal axis of (8, ...) by an angle: I and 2 aVF / √3 are its coordinates, aVF = II − I / 2."""
    i, down = x[0], (x[1] - x[0] / 2) * 2 / np.sqrt(3)
    turned_i = np.cos(angle) * i - np.sin(angle) * down
    turned_down = np.sin(angle) * i + np.cos(angle) * down
    return np.concatenate([[turned_i, turned_down * np.sqrt(3) / 2 + turned_i / 2], x[2:]])


def _frontal_axis(waves: Mapping[str, Wave], patient: Patient) -> float:
    """Direction of the QRS area in the frontal plane, degrees: 0 is lead I, 90 is aVF."""
    area = sum(wave.width * np.array(wave.amplitude) for name, wave in waves.items() if name in QRS)
    i, ii = _turn(area * patient.gains, patient.turn)[:2]
    return float(np.rad2deg(np.arctan2((ii - i / 2) * 2 / np.sqrt(3), i)))


def _highest(waves: Mapping[str, Wave], patient: Patient, lead: str) -> float:
    """The highest point of the QRS in a chest lead, mV."""
    column, time = INDEPENDENT_LEADS.index(lead), np.linspace(-0.1, 0.1, 401)
    qrs = [wave for name, wave in waves.items() if name in QRS]
    parts = [wave.amplitude[column] * np.exp(-0.5 * ((time - wave.time) / wave.width) ** 2) for wave in qrs]
    return float(patient.gains[column] * np.sum(parts, axis=0).max())


def _fibrillation(rng: np.random.Generator) -> NDArray[np.float64]:
    """f waves: 5 to 8 Hz, wandering in frequency and size, (8, 1000) in mV."""
    frequency = rng.uniform(5, 8) + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * TIME + rng.uniform(0, 6))
    angle = 2 * np.pi * np.cumsum(frequency) / SAMPLING_RATE + rng.uniform(0, 6)
    size = rng.uniform(0.5, 1.3) * (1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * TIME))
    return np.outer(FIBRILLATORY, size * (np.sin(angle) + 0.3 * np.sin(2 * angle + 1)))


def _noise(rng: np.random.Generator) -> NDArray[np.float64]:
    """Drift with the breath and slower, and muscle noise, (8, 1000) in mV; at 100 Hz no mains hum is left."""
    leads = len(INDEPENDENT_LEADS)
    drift = np.zeros((leads, SAMPLES))
    restless = rng.gamma(2, 0.5)
    for frequency, size in ((rng.uniform(0.15, 0.35), 0.03), (rng.uniform(0.03, 0.12), 0.05)):
        phases, sizes = rng.uniform(0, 2 * np.pi, leads), restless * size * rng.gamma(2, 0.5, leads)
        drift += sizes[:, None] * np.sin(2 * np.pi * frequency * TIME + phases[:, None])
    white = rng.normal(0, 1, (leads, SAMPLES + 2))
    muscle = (white[:, :-2] + 1.4 * white[:, 1:-1] + white[:, 2:]) / 2.0
    return drift + 0.006 * rng.gamma(3, 1 / 3) * muscle


def _loosen_electrode(x: NDArray[np.float64], rng: np.random.Generator) -> str:
    """Now and then shift one lead of x (8, 1000) once or twice; each shift fades. Name the lead, "" for none."""
    if rng.random() >= DISTURBED_SHARE:
        return ""
    lead = int(rng.integers(len(x)))
    for start in rng.uniform(0, DURATION, 1 + rng.integers(2)):
        since = np.maximum(TIME - start, 0)
        rise, fade = rng.uniform(0.05, 0.12), rng.uniform(0.4, 1.2)
        x[lead] += rng.choice((-1, 1)) * rng.uniform(0.2, 0.5) * (np.exp(-since / fade) - np.exp(-since / rise))
    return INDEPENDENT_LEADS[lead]
