"""The conditions of the virtual cohort: what each does to waves, rhythm and the patient's history.

Waves are Gaussian kernels in time around R, with an amplitude in mV for I, II and V1 to V6. They are drawn
from textbook descriptions, not from anybody's record, and are no outcome of the simulator that is fitted to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sediff.simulator.rhythm import ECTOPIC, FIBRILLATION, SINUS, TACHYCARDIA


@dataclass(frozen=True)
class Wave:
    """One kernel: seconds after R, deviation in s, amplitude in mV for I, II, V1 to V6."""

    time: float
    width: float
    amplitude: tuple[float, ...]


@dataclass(frozen=True)
class History:
    """What the EHR of such a patient tends to hold: ICD-10 and ICD-9 diagnoses, drugs, ICD-10 procedures."""

    icd10: tuple[str, ...] = ()
    icd9: tuple[str, ...] = ()
    drugs: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """A condition and its signature.

    Attributes:
        statements: SCP codes with PTB-XL's likelihoods (0: not stated).
        share: of the patients.
        rate: mean and deviation in bpm.
        waves: kernels that replace the normal ones of the same name; None removes one.
        pr, qrs: added to the patient's PR interval and QRS duration, s.
        ages: mean and deviation, years.
    """

    statements: Mapping[str, float]
    share: float
    english: str
    german: str
    history: History = History()
    rhythm: str = SINUS
    rate: tuple[float, float] = (72, 10)
    waves: Mapping[str, Wave | None] = field(default_factory=dict)
    pr: float = 0.0
    qrs: float = 0.0
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
T_WAVES = ("T1", "T")
ECTOPIC_WAVES: dict[str, Wave] = {
    "R": Wave(0.0, 0.028, (-0.5, 1.1, 1.3, 1.7, 1.2, 0.7, 0.2, -0.3)),
    "S": Wave(0.07, 0.03, (0.3, -0.5, -0.3, -0.5, -0.6, -0.6, -0.5, -0.3)),
    "T": Wave(0.3, 0.06, (0.2, -0.4, -0.45, -0.55, -0.4, -0.2, -0.05, 0.1)),
}


def _t(*amplitude: float) -> dict[str, Wave]:
    """Both kernels of a T wave of one shape."""
    return {
        name: Wave(NORMAL_WAVES[name].time, NORMAL_WAVES[name].width, tuple(share * a for a in amplitude))
        for name, share in (("T1", 0.5), ("T", 0.8))
    }


HYPERTENSION = History(("I10",), ("4019",), ("Lisinopril", "Hydrochlorothiazide", "Amlodipine"))
INFARCTION = History(
    ("I252", "I2510", "E785"), ("412", "41401", "2724"), ("Aspirin EC", "Atorvastatin", "Metoprolol Succinate XL"),
    ("02703DZ", "B2111ZZ"),
)  # fmt: skip

CONDITIONS: dict[str, Condition] = {
    "normal": Condition(
        {"NORM": 100, "SR": 0}, 0.26, "sinus rhythm. normal ecg.", "sinusrhythmus. normales ekg.",
        History(("Z0000",), ("V700",), ("Ibuprofen",)), ages=(48, 16),
    ),
    "bradycardia": Condition(
        {"SBRAD": 0, "NORM": 80}, 0.07, "sinus bradycardia. otherwise normal ecg.",
        "sinusbradykardie. sonst normales ekg.",
        History(("R001",), ("42789",), ("Levothyroxine Sodium",)), rate=(49, 4), ages=(55, 16),
    ),
    "tachycardia": Condition(
        {"STACH": 0}, 0.07, "sinus tachycardia.", "sinustachykardie.",
        History(("R000", "A419", "D649"), ("7850", "99591"), ("Acetaminophen", "Vancomycin", "Cefepime")),
        rate=(116, 9), ages=(54, 18),
    ),
    "fibrillation": Condition(
        {"AFIB": 0}, 0.09, "atrial fibrillation.", "vorhofflimmern.",
        History(("I4891", "I10", "I509"), ("42731", "4280"), ("Warfarin", "Apixaban", "Digoxin", "Metoprolol Tartrate"),
                ("5A2204Z",)),
        rhythm=FIBRILLATION, rate=(88, 20), waves={"P": None}, ages=(74, 9),
    ),
    "first degree block": Condition(
        {"1AVB": 100, "SR": 0}, 0.06, "sinus rhythm. first degree av block.", "sinusrhythmus. av-block i.",
        History(("I440", "I10"), ("42611",), ("Atenolol", "Diltiazem")), pr=0.09, rate=(66, 9), ages=(69, 11),
    ),
    "left bundle branch block": Condition(
        {"CLBBB": 100, "SR": 0}, 0.07, "sinus rhythm. complete left bundle branch block.",
        "sinusrhythmus. kompletter linksschenkelblock.",
        History(("I447", "I5022", "I420"), ("4263", "42822"), ("Carvedilol", "Furosemide", "Spironolactone"),
                ("4B02XTZ",)),
        qrs=0.055, ages=(71, 10),
        waves={
            "Q": None, "r": None,
            "R": Wave(-0.012, 0.024, (0.65, 0.45, -0.55, -1.0, -0.9, 0.05, 0.7, 0.85)),
            "S": Wave(0.036, 0.026, (0.6, 0.3, -0.8, -1.2, -1.0, -0.35, 0.55, 0.8)),
            "ST": Wave(0.12, 0.05, (-0.06, -0.03, 0.14, 0.22, 0.18, 0.03, -0.08, -0.09)),
            **_t(-0.16, -0.08, 0.3, 0.5, 0.45, 0.15, -0.18, -0.22),
        },
    ),
    "right bundle branch block": Condition(
        {"CRBBB": 100, "SR": 0}, 0.07, "sinus rhythm. complete right bundle branch block.",
        "sinusrhythmus. kompletter rechtsschenkelblock.",
        History(("I4510", "J449"), ("4264", "496"), ("Tiotropium Bromide", "Albuterol 0.083% Neb Soln")),
        qrs=0.045, ages=(68, 12),
        waves={
            "S": Wave(0.022, 0.011, (-0.05, -0.08, -0.45, -0.6, -0.5, -0.25, -0.1, -0.05)),
            "R'": Wave(0.062, 0.019, (-0.26, -0.1, 0.85, 0.5, 0.05, -0.25, -0.34, -0.32)),
            **_t(0.16, 0.2, -0.22, -0.2, 0.2, 0.3, 0.26, 0.2),
        },
    ),
    "hypertrophy": Condition(
        {"LVH": 100, "VCLVH": 0, "SR": 0}, 0.08, "sinus rhythm. left ventricular hypertrophy with strain.",
        "sinusrhythmus. linksventrikuläre hypertrophie.",
        History(("I119", "I10", "N183"), ("40290", "5853"), (*HYPERTENSION.drugs, "Labetalol")), ages=(66, 12),
        waves={
            "R": Wave(0.0, 0.0125, (1.25, 0.9, 0.0, 0.1, 0.8, 2.0, 2.6, 2.1)),
            "S": Wave(0.025, 0.013, (-0.1, -0.15, -1.7, -2.3, -1.3, -0.6, -0.2, -0.05)),
            "ST": Wave(0.12, 0.05, (-0.06, -0.03, 0.08, 0.12, 0.08, -0.02, -0.1, -0.1)),
            **_t(-0.14, -0.02, 0.15, 0.4, 0.35, 0.05, -0.2, -0.22),
        },
    ),
    "inferior infarction": Condition(
        {"IMI": 100, "SR": 0}, 0.06, "sinus rhythm. old inferior myocardial infarction.",
        "sinusrhythmus. inferiorer infarkt, alt.", INFARCTION, ages=(67, 11),
        waves={
            "Q": Wave(-0.022, 0.014, (0.04, -0.4, 0.0, 0.0, 0.0, -0.04, -0.08, -0.1)),
            "R": Wave(0.006, 0.0115, (0.65, 0.55, 0.0, 0.05, 0.6, 1.15, 1.2, 0.95)),
            **_t(0.2, -0.16, 0.1, 0.35, 0.35, 0.25, 0.15, 0.05),
        },
    ),
    "anteroseptal infarction": Condition(
        {"ASMI": 100, "SR": 0}, 0.06, "sinus rhythm. anteroseptal myocardial infarction.",
        "sinusrhythmus. anteroseptaler infarkt.", INFARCTION, ages=(66, 11),
        waves={
            "r": None,
            "R": Wave(0.0, 0.0115, (0.6, 0.85, -0.2, -0.35, -0.25, 0.3, 0.8, 0.8)),
            "S": Wave(0.014, 0.017, (-0.05, -0.1, -0.9, -1.35, -1.05, -0.45, -0.15, -0.05)),
            "ST": Wave(0.12, 0.05, (0.0, 0.0, 0.1, 0.16, 0.14, 0.07, 0.0, 0.0)),
            **_t(0.06, 0.2, 0.05, -0.2, -0.3, -0.2, 0.02, 0.06),
        },
    ),
    "ventricular ectopy": Condition(
        {"PVC": 0, "SR": 0}, 0.06, "sinus rhythm. ventricular extrasystoles.",
        "sinusrhythmus. ventrikuläre extrasystolen.",
        History(("I493", "E876"), ("42769", "2768"), ("Metoprolol Tartrate", "Potassium Chloride")),
        rhythm=ECTOPIC, ages=(65, 13),
    ),
    "supraventricular tachycardia": Condition(
        {"SVTAC": 0}, 0.05, "supraventricular tachycardia.", "supraventrikuläre tachykardie.",
        History(("I471",), ("4270",), ("Adenosine", "Verapamil", "Diltiazem")),
        rhythm=TACHYCARDIA, rate=(176, 11), ages=(46, 15),
        waves={"P": None, "ST": Wave(0.10, 0.04, (-0.06, -0.1, 0.04, -0.02, -0.08, -0.12, -0.12, -0.09))},
    ),
    "left anterior fascicular block": Condition(
        {"LAFB": 100, "SR": 0}, 0.05, "sinus rhythm. left anterior fascicular block.",
        "sinusrhythmus. linksanteriorer hemiblock.",
        History(("I444", "E119"), ("4262", "25000"), ("Metformin", "Insulin")),
        ages=(68, 12),
        waves={
            "R": Wave(0.0, 0.0115, (0.85, 0.3, 0.0, 0.05, 0.5, 0.9, 0.95, 0.8)),
            "S": Wave(0.028, 0.014, (-0.05, -0.75, -0.85, -1.2, -0.9, -0.7, -0.5, -0.35)),
        },
    ),
    "ischemia": Condition(
        {"ISC_": 100, "INVT": 0, "SR": 0}, 0.05, "sinus rhythm. inverted t waves, ischemic st-t changes.",
        "sinusrhythmus. t-negativierung, myokardischämie.",
        History(("I209", "I2510"), ("4139", "41401"), ("Nitroglycerin SL", "Isosorbide Mononitrate", "Clopidogrel")),
        waves={
            "ST": Wave(0.12, 0.05, (-0.03, -0.05, 0.02, -0.03, -0.08, -0.1, -0.1, -0.07)),
            **_t(-0.1, -0.1, 0.05, -0.1, -0.25, -0.32, -0.28, -0.2),
        },
    ),
}  # fmt: skip
