"""The conditions of the virtual cohort: what each does to waves, rhythm and the patient's history.

Waves are Gaussian kernels in time around R, with an amplitude in mV for I, II and V1 to V6. They are drawn
from textbook descriptions, not from anybody's record, and are no outcome of the simulator that is fitted to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sediff.cohort.history import HYPERTENSION, INFARCTION, History
from sediff.simulator.rhythm import ECTOPIC, FIBRILLATION, SINUS, TACHYCARDIA


@dataclass(frozen=True)
class Wave:
    """One kernel: seconds after R, deviation in s, amplitude in mV for I, II, V1 to V6."""

    time: float
    width: float
    amplitude: tuple[float, ...]


@dataclass(frozen=True)
class Condition:
    """A condition and its signature.

    Attributes:
        statements: SCP codes with PTB-XL's likelihoods (0: not stated).
        share: of the patients.
        english, german: how a report may say it.
        rate: mean and deviation in bpm; drawn within two deviations, so that it agrees with the statements.
        waves: kernels that replace the normal ones of the same name; None removes one.
        pr: added to the patient's PR interval, s.
        ages: mean and deviation, years.
    """

    statements: Mapping[str, float]
    share: float
    english: tuple[str, ...]
    german: tuple[str, ...]
    history: History
    rhythm: str = SINUS
    rate: tuple[float, float] = (77, 8)
    waves: Mapping[str, Wave | None] = field(default_factory=dict)
    pr: float = 0.0
    ages: tuple[float, float] = (62, 15)


NORMAL_WAVES: dict[str, Wave] = {
    "P": Wave(-0.16, 0.022, (0.06, 0.11, 0.05, 0.06, 0.06, 0.06, 0.06, 0.05)),
    "Q": Wave(-0.026, 0.008, (-0.05, -0.07, 0.0, 0.0, 0.0, -0.05, -0.1, -0.1)),
    "r": Wave(-0.014, 0.010, (0.0, 0.0, 0.24, 0.42, 0.3, 0.1, 0.0, 0.0)),
    "R": Wave(0.0, 0.0115, (0.62, 1.0, 0.0, 0.05, 0.6, 1.25, 1.35, 1.05)),
    "S": Wave(0.023, 0.012, (-0.12, -0.16, -0.85, -1.2, -0.7, -0.4, -0.2, -0.08)),
    "ST": Wave(0.12, 0.045, (0.0, 0.01, 0.01, 0.06, 0.05, 0.03, 0.01, 0.01)),
    "T1": Wave(0.23, 0.050, (0.08, 0.12, -0.01, 0.18, 0.2, 0.18, 0.14, 0.1)),
    "T": Wave(0.28, 0.034, (0.14, 0.2, -0.03, 0.3, 0.34, 0.3, 0.24, 0.17)),
}
QRS = ("Q", "r", "R", "S", "R'")
REPOLARISATION = ("ST", "T1", "T")
# Ventricular beats: from the left ventricle with the look of a right block, and from the right outflow tract.
ECTOPIC_FORMS: tuple[dict[str, Wave], ...] = (
    {
        "R": Wave(0.0, 0.026, (-0.5, 1.1, 1.3, 1.7, 1.2, 0.7, 0.2, -0.3)),
        "S": Wave(0.062, 0.026, (0.3, -0.5, -0.3, -0.5, -0.6, -0.6, -0.5, -0.3)),
        "T": Wave(0.28, 0.055, (0.2, -0.4, -0.45, -0.55, -0.4, -0.2, -0.05, 0.1)),
    },
    {
        "r": Wave(-0.036, 0.011, (0.0, 0.0, 0.15, 0.25, 0.2, 0.0, 0.0, 0.0)),
        "R": Wave(0.0, 0.025, (0.35, 1.5, -0.9, -1.4, -0.5, 0.8, 1.2, 1.1)),
        "S": Wave(0.05, 0.024, (0.1, 0.3, -0.5, -0.8, -0.5, -0.1, 0.2, 0.2)),
        "T": Wave(0.28, 0.055, (-0.12, -0.45, 0.3, 0.55, 0.35, -0.2, -0.4, -0.35)),
    },
)


def _t(i: float, ii: float, v1: float, v2: float, v3: float, v4: float, v5: float, v6: float) -> dict[str, Wave | None]:
    """Both kernels of a T wave of one shape, from its amplitude in mV."""

    def kernel(name: str, share: float) -> Wave:
        normal = NORMAL_WAVES[name]
        amplitude = (share * i, share * ii, share * v1, share * v2, share * v3, share * v4, share * v5, share * v6)
        return Wave(normal.time, normal.width, amplitude)

    return {"T1": kernel("T1", 0.5), "T": kernel("T", 0.8)}


CONDITIONS: dict[str, Condition] = {
    "normal": Condition(
        {"NORM": 100, "SR": 0}, 0.26,
        ("sinus rhythm. normal ecg.", "normal sinus rhythm. normal ecg.", "sinus rhythm. ecg within normal limits."),
        ("sinusrhythmus. normales ekg.", "sinusrhythmus. unauffälliges ekg."),
        History((("Z0000", "V700"),)), rate=(73, 6), ages=(48, 16),
    ),
    "bradycardia": Condition(
        {"SBRAD": 0, "NORM": 80}, 0.07,
        ("sinus bradycardia. otherwise normal ecg.", "sinus bradycardia. normal ecg apart from the rate."),
        ("sinusbradykardie. sonst normales ekg.",),
        History((("R001", "42789"),), ("Levothyroxine Sodium",)), rate=(49, 4), ages=(55, 16),
    ),
    "tachycardia": Condition(
        {"STACH": 0}, 0.07, ("sinus tachycardia.", "regular narrow complexes, sinus tachycardia."),
        ("sinustachykardie.",),
        History((("R000", "7850"), ("A419", "99591")), ("Vancomycin", "Piperacillin-Tazobactam")),
        rate=(118, 8), ages=(54, 18),
    ),
    "fibrillation": Condition(
        {"AFIB": 0}, 0.09,
        ("atrial fibrillation.", "atrial fibrillation. no p waves, irregular ventricular response."),
        ("vorhofflimmern.", "vorhofflimmern, unregelmäßige überleitung."),
        History((("I4891", "42731"), ("I10", "4019"), ("I509", "4280")),
                ("Warfarin", "Apixaban", "Digoxin", "Metoprolol Tartrate"), (("5A2204Z", "9961"),)),
        rhythm=FIBRILLATION, rate=(90, 18), waves={"P": None}, ages=(74, 9),
    ),
    "first degree block": Condition(
        {"1AVB": 100, "SR": 0}, 0.06,
        ("sinus rhythm. first degree av block.", "sinus rhythm. 1st degree av block."),
        ("sinusrhythmus. av-block i.", "sinusrhythmus. av-block 1. grades."),
        History((("I440", "42611"), ("I10", "4019")), ("Atenolol", "Diltiazem")), pr=0.095, rate=(72, 6), ages=(69, 11),
    ),
    "left bundle branch block": Condition(
        {"CLBBB": 100, "SR": 0}, 0.07,
        ("sinus rhythm. complete left bundle branch block.", "sinus rhythm. wide qrs, complete lbbb."),
        ("sinusrhythmus. kompletter linksschenkelblock.",),
        History((("I447", "4263"), ("I5022", "42822"), ("I420", "4254")),
                ("Carvedilol", "Furosemide", "Spironolactone"), (("4B02XTZ", "8949"),)),
        ages=(71, 10),
        waves={
            "Q": None, "r": None,
            "R": Wave(-0.038, 0.0205, (0.7, 0.5, -0.5, -0.95, -0.9, 0.05, 0.8, 0.95)),
            "S": Wave(0.014, 0.0225, (0.72, 0.35, -0.95, -1.4, -1.15, -0.4, 0.68, 0.95)),
            "ST": Wave(0.12, 0.05, (-0.06, -0.03, 0.14, 0.22, 0.18, 0.03, -0.08, -0.09)),
            **_t(-0.16, -0.08, 0.3, 0.5, 0.45, 0.15, -0.18, -0.22),
        },
    ),
    "right bundle branch block": Condition(
        {"CRBBB": 100, "SR": 0}, 0.07,
        ("sinus rhythm. complete right bundle branch block.", "sinus rhythm. rsr' in v1, complete rbbb."),
        ("sinusrhythmus. kompletter rechtsschenkelblock.",),
        History((("I4510", "4264"), ("J449", "496")), ("Tiotropium Bromide", "Albuterol 0.083% Neb Soln")),
        ages=(68, 12),
        waves={
            "S": Wave(0.022, 0.011, (-0.05, -0.08, -0.45, -0.6, -0.5, -0.25, -0.1, -0.05)),
            "R'": Wave(0.062, 0.019, (-0.26, -0.1, 0.85, 0.5, 0.05, -0.25, -0.34, -0.32)),
            **_t(0.16, 0.2, -0.22, -0.2, 0.2, 0.3, 0.26, 0.2),
        },
    ),
    "hypertrophy": Condition(
        {"LVH": 100, "VCLVH": 0, "SR": 0}, 0.08,
        ("sinus rhythm. voltage criteria for lvh. left ventricular hypertrophy with strain.",),
        ("sinusrhythmus. sokolow-lyon-index positiv. linksventrikuläre hypertrophie.",),
        History((("I119", "40290"), ("I10", "4019"), ("N183", "5853")), (*HYPERTENSION.drugs, "Labetalol")),
        ages=(66, 12),
        waves={
            "R": Wave(0.0, 0.0125, (1.25, 0.9, 0.0, 0.1, 0.8, 2.0, 2.5, 2.0)),
            "S": Wave(0.025, 0.013, (-0.1, -0.15, -1.7, -2.2, -1.3, -0.6, -0.2, -0.05)),
            "ST": Wave(0.12, 0.05, (-0.06, -0.03, 0.08, 0.12, 0.08, -0.02, -0.1, -0.1)),
            **_t(-0.14, -0.02, 0.15, 0.4, 0.35, 0.05, -0.2, -0.22),
        },
    ),
    "inferior infarction": Condition(
        {"IMI": 100, "SR": 0}, 0.06,
        ("sinus rhythm. old inferior myocardial infarction.", "sinus rhythm. inferior infarction, old."),
        ("sinusrhythmus. inferiorer infarkt, alt.",), INFARCTION, ages=(67, 11),
        waves={
            "Q": Wave(-0.024, 0.014, (0.04, -0.36, 0.0, 0.0, 0.0, -0.04, -0.08, -0.1)),
            "R": Wave(0.006, 0.0115, (0.65, 0.78, 0.0, 0.05, 0.6, 1.15, 1.2, 0.95)),
            **_t(0.2, -0.16, 0.1, 0.35, 0.35, 0.25, 0.15, 0.05),
        },
    ),
    "anteroseptal infarction": Condition(
        {"ASMI": 100, "SR": 0}, 0.06,
        ("sinus rhythm. anteroseptal myocardial infarction.", "sinus rhythm. qs in v1-v3, anteroseptal infarction."),
        ("sinusrhythmus. anteroseptaler infarkt.",), INFARCTION, ages=(66, 11),
        waves={
            "r": None,
            "R": Wave(0.0, 0.0115, (0.6, 0.85, -0.2, -0.35, -0.25, 0.3, 0.8, 0.8)),
            "S": Wave(0.014, 0.017, (-0.05, -0.1, -0.9, -1.35, -1.05, -0.45, -0.15, -0.05)),
            "ST": Wave(0.12, 0.05, (0.0, 0.0, 0.1, 0.16, 0.14, 0.07, 0.0, 0.0)),
            **_t(0.06, 0.2, 0.05, -0.2, -0.3, -0.2, 0.02, 0.06),
        },
    ),
    "ventricular ectopy": Condition(
        {"PVC": 0, "SR": 0}, 0.06,
        ("sinus rhythm. ventricular extrasystoles.", "sinus rhythm. premature ventricular complexes."),
        ("sinusrhythmus. ventrikuläre extrasystolen.",),
        History((("I493", "42769"), ("E876", "2768")),
                ("Metoprolol Tartrate", "Potassium Chloride", "Magnesium Sulfate")),
        rhythm=ECTOPIC, ages=(65, 13),
    ),
    "supraventricular tachycardia": Condition(
        {"SVTAC": 0}, 0.05,
        ("supraventricular tachycardia.", "supraventricular tachycardia, narrow and regular, no visible p waves."),
        ("supraventrikuläre tachykardie.",),
        History((("I471", "4270"),), ("Adenosine", "Verapamil", "Diltiazem")),
        rhythm=TACHYCARDIA, rate=(184, 8), ages=(46, 15),
        waves={"P": None, "ST": Wave(0.10, 0.04, (-0.06, -0.1, 0.04, -0.02, -0.08, -0.12, -0.12, -0.09))},
    ),
    "left anterior fascicular block": Condition(
        {"LAFB": 100, "SR": 0}, 0.05,
        ("sinus rhythm. left anterior fascicular block.", "sinus rhythm. left anterior hemiblock."),
        ("sinusrhythmus. linksanteriorer hemiblock.",),
        History((("I444", "4262"), ("E119", "25000")), ("Metformin", "Insulin")), ages=(68, 12),
        waves={
            "Q": Wave(-0.026, 0.009, (-0.08, 0.16, 0.0, 0.0, 0.0, -0.02, -0.04, -0.05)),
            "R": Wave(0.0, 0.0115, (0.85, 0.26, 0.0, 0.05, 0.5, 0.9, 0.95, 0.8)),
            "S": Wave(0.026, 0.014, (-0.03, -0.72, -0.85, -1.2, -0.9, -0.7, -0.5, -0.35)),
        },
    ),
    "ischemia": Condition(
        {"ISC_": 100, "INVT": 0, "SR": 0}, 0.05,
        ("sinus rhythm. inverted t waves, ischemic st-t changes.",),
        ("sinusrhythmus. t-negativierung, myokardischämie.",),
        History((("I209", "4139"), ("I2510", "41401")), ("Nitroglycerin SL", "Isosorbide Mononitrate", "Clopidogrel")),
        waves={
            "ST": Wave(0.12, 0.05, (-0.03, -0.05, 0.02, -0.03, -0.08, -0.1, -0.1, -0.07)),
            **_t(-0.1, -0.1, 0.05, -0.1, -0.25, -0.32, -0.28, -0.2),
        },
    ),
}  # fmt: skip
