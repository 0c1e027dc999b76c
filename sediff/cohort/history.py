"""Illnesses in the virtual cohort's EHR: their codes, drugs and procedures, and how common they are."""

from dataclasses import dataclass

Codes = tuple[str, str]  # of one thing, in ICD-10 and in ICD-9


@dataclass(frozen=True)
class History:
    """What a stay with an illness tends to leave in the EHR.

    Attributes:
        diagnoses: ICD-10-CM and ICD-9-CM.
        drugs: as MIMIC-IV writes them.
        procedures: ICD-10-PCS and ICD-9-CM.
    """

    diagnoses: tuple[Codes, ...]
    drugs: tuple[str, ...] = ()
    procedures: tuple[Codes, ...] = ()


@dataclass(frozen=True)
class Comorbidity:
    """A chronic illness that a patient may have besides what the ECG shows: its share at 40 and at 80 years."""

    history: History
    at_40: float
    at_80: float

    def share(self, age: float) -> float:
        """Share of the patients of an age who have it."""
        return min(max(self.at_40 + (self.at_80 - self.at_40) * (age - 40) / 40, 0.0), 1.0)


HYPERTENSION = History((("I10", "4019"),), ("Lisinopril", "Hydrochlorothiazide", "Amlodipine"))
INFARCTION = History(
    (("I252", "412"), ("I2510", "41401"), ("E785", "2724")),
    ("Aspirin EC", "Atorvastatin", "Metoprolol Succinate XL"),
    (("02703DZ", "3606"), ("B2111ZZ", "8856")),
)

COMORBIDITIES = (
    Comorbidity(HYPERTENSION, 0.15, 0.6),
    Comorbidity(History((("E785", "2724"),), ("Simvastatin", "Atorvastatin")), 0.12, 0.4),
    Comorbidity(History((("E119", "25000"),), ("Metformin", "Insulin")), 0.06, 0.22),
    Comorbidity(History((("N183", "5853"),), ("Sevelamer",)), 0.01, 0.18),
    Comorbidity(History((("J449", "496"),), ("Albuterol 0.083% Neb Soln", "Tiotropium Bromide")), 0.03, 0.14),
    Comorbidity(History((("K219", "53081"),), ("Omeprazole", "Pantoprazole")), 0.1, 0.2),
    Comorbidity(History((("E039", "2449"),), ("Levothyroxine Sodium",)), 0.04, 0.12),
    Comorbidity(History((("F329", "311"),), ("Sertraline", "Trazodone")), 0.12, 0.1),
    Comorbidity(History((("D649", "2859"),), ("Ferrous Sulfate",)), 0.03, 0.12),
    Comorbidity(History((("M1990", "71590"),), ("Ibuprofen",)), 0.03, 0.25),
)
# Why somebody may have come in, whatever the ECG shows.
COMPLAINTS = (
    History((("R079", "78650"),), ("Aspirin",)),
    History((("R55", "7802"),)),
    History((("R0600", "78609"),), ("Furosemide",)),
    History((("J189", "486"),), ("Ceftriaxone", "Azithromycin")),
    History((("N390", "5990"),), ("Ciprofloxacin HCl",)),
    History((("K8020", "57420"),), ("Cefazolin", "Ondansetron"), (("0FT44ZZ", "5123"),)),
    History((("S72001A", "82020"),), ("Oxycodone (Immediate Release)", "Enoxaparin Sodium"), (("0SR90JZ", "8151"),)),
)
ROUTINE_DRUGS = ("Acetaminophen", "Sodium Chloride 0.9%  Flush", "Heparin", "Docusate Sodium", "Senna")
