"""A synthetic record as exports know it: its signal, what was asked for, and what it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.files import sha256_json
from sediff.texts import with_details

SYNTHETIC = "SYNTHETIC ECG made by sediff; it belongs to no patient and is no basis for a diagnosis"
# Columns that every synthetic dataset has, and that a folder of real records lacks.
NEEDED = ("seed", "index", "text", "statements", "sex", "age", "model", "fingerprint", "signal")


@dataclass(frozen=True)
class Record:
    """One synthetic ECG.

    Attributes:
        signal: (12, 1000), int16 µV.
        age: years; heart_rate: beats a minute; axis: of the QRS, degrees; pr, qrs, qt: ms; None where not asked for,
            as is sex.
        attempt: which try of its slot it is.
        model: hash of the model that made it.
        experience_id: "" where it rests on no similar patient; then what follows is empty too.
        neighbours: ids of the training records that the experience rests on; similarities: of each, 0 to 1.
        confidence: of the experience, 0 to 1; exact_similarity: largest τ of a neighbour; meaning_similarity: largest
            cosine of a neighbour's text and the asked one, None where no text was compared.
    """

    signal: NDArray[np.int16]
    index: int
    seed: int
    text: str
    model: str
    attempt: int = 0
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    axis: float | None = None
    pr: float | None = None
    qrs: float | None = None
    qt: float | None = None
    experience_id: str = ""
    experience: str = ""
    distiller: str = ""
    neighbours: tuple[str, ...] = ()
    similarities: tuple[float, ...] = ()
    confidence: float | None = None
    exact_similarity: float | None = None
    meaning_similarity: float | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any], signal: NDArray[np.int16]) -> "Record":
        """A row of a synthetic dataset."""
        values = {each.name: row[each.name] for each in fields(cls) if row.get(each.name) is not None}
        for name in ("neighbours", "similarities"):
            values[name] = tuple(values.get(name, ()))
        return cls(signal=signal, attempt=row.get("try") or 0, **values)

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"ecg{self.index:06d}"

    @property
    def title(self) -> str:
        """What stands above it on paper."""
        return f"SYNTHETIC · {self.asked}"

    @property
    def asked(self) -> str:
        """What was asked for, in words."""
        intervals = (("PR", self.pr), ("QRS", self.qrs), ("QT", self.qt))
        return with_details(
            self.text,
            f"{self.age:g} years" if self.age is not None else "",
            self.sex or "",
            f"{self.heart_rate:.4g} bpm" if self.heart_rate is not None else "",
            f"axis {self.axis:.4g}°" if self.axis is not None else "",
            *(f"{name} {value:.4g} ms" for name, value in intervals if value is not None),
        )

    @property
    def identity(self) -> str:
        """SHA-256 of what it is a function of, and of its samples, as hex."""
        samples = np.ascontiguousarray(self.signal, "<i2").tobytes().hex()
        return sha256_json([self.model, self.seed, self.index, self.attempt, self.asked, samples])

    def comments(self) -> list[str]:
        """What is to be said beside the signal: that it is synthetic, and from what."""
        return [
            SYNTHETIC,
            f"asked: {self.asked}",
            *self._rests_on(),
            f"seed: {self.seed}",
            f"index: {self.index}",
            *([f"try: {self.attempt}"] if self.attempt else []),
            f"model: {self.model}",
        ]

    def _rests_on(self) -> list[str]:
        if not self.experience_id:
            return ["experience: none"]
        pairs = zip(self.neighbours, self.similarities, strict=True)
        told = [f"{record} {similarity:.2f}" for record, similarity in pairs]
        numbers = {name: getattr(self, name) for name in ("confidence", "exact_similarity", "meaning_similarity")}
        return [
            f"experience: {self.experience_id}, {self.distiller}: {self.experience}",
            *(f"{name}: {value:.2f}" for name, value in numbers.items() if value is not None),
            f"from: {', '.join(told)}",
        ]
