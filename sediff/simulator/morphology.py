"""Fitted morphology η = {θ_i, a_i, b_i} by statement and lead, at the reference rate of 60 bpm."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from sediff.ecg import INDEPENDENT_LEADS
from sediff.errors import UserError
from sediff.records import read_table
from sediff.simulator.ode import ECGSYN, WAVES, RateExponents, Waves

FILE = "morphology.parquet"
ALL = "*"  # the fit to all training records
UPWARD, DOWNWARD = VENTRICULAR = ("*V+", "*V-")  # ventricular ectopic beats by the direction of V1
OWN, SUPERCLASS, EVERYBODY = "statement", "superclass", "all"  # whose beat was fitted
# Without a fit of its own a ventricular beat is everybody's, as wide and as high as these say, with T against R.
WIDENED, HEIGHTENED, OPPOSED = 2.2, 1.4, -1.5


@dataclass(frozen=True)
class Morphology:
    """θ_i, a_i, b_i: each (statements, 8, 5); `counts` are training records of the statement.

    `sources` says whose beat each was fitted to: "statement" (the default), "superclass" or "all". `exponents` say
    how its waves change with rate, (statements, 5) or for all the same, `rates` at which one in bpm each was fitted.
    """

    statements: tuple[str, ...]
    counts: tuple[int, ...]
    theta: Tensor
    a: Tensor
    b: Tensor
    sources: tuple[str, ...] = ()
    exponents: RateExponents = ECGSYN
    rates: tuple[float, ...] = ()

    def statement_of(self, codes: Sequence[Sequence[str]]) -> list[str]:
        """The statement whose fit stands for a record: the rarest of its own that has a fit of its own.

        The rarest says most: a record with sinus rhythm and left bundle branch block beats like the latter. Where
        none has, it is the rarest with its superclass's fit, else the fit to all records.
        """
        sources = self.sources or (OWN,) * len(self.statements)
        order = (OWN, SUPERCLASS)
        rank = {
            code: (order.index(source), count, code)
            for code, count, source in zip(self.statements, self.counts, sources, strict=True)
            if code not in (ALL, *VENTRICULAR) and source in order
        }
        return [min((code for code in row if code in rank), key=rank.__getitem__, default=ALL) for row in codes]

    def for_statements(self, codes: Sequence[Sequence[str]]) -> Waves:
        """Waves at 60 bpm of each record's statement: each (records, 8, 5)."""
        return Waves(self.theta, self.a, self.b).rows(self._rows(codes))

    def at_rates(self, codes: Sequence[Sequence[str]], heart_rates: Tensor) -> Waves:
        """The same at each record's rate in bpm, (records,)."""
        exponents = self._exponents_of(self._rows(codes)[:, None])  # the same in all leads
        return self.for_statements(codes).at_rate(heart_rates[:, None], exponents)

    @property
    def common(self) -> RateExponents:
        """How waves of no statement change with rate: a record's own, a ventricular beat's."""
        return self._exponents_of(torch.tensor(self.statements.index(ALL)))

    def _rows(self, codes: Sequence[Sequence[str]]) -> Tensor:
        return torch.tensor([self.statements.index(code) for code in self.statement_of(codes)])

    def _exponents_of(self, rows: Tensor) -> RateExponents:
        return RateExponents(*(powers.expand(len(self.statements), -1)[rows] for powers in self.exponents))

    def ventricular(self) -> Waves:
        """Waves at 60 bpm of ventricular ectopic beats, one row for each direction that was fitted: (1 or 2, 8, 5).

        Without any, everybody's beat is widened.
        """
        waves = Waves(self.theta, self.a, self.b)
        fitted = [self.statements.index(name) for name in VENTRICULAR if name in self.statements]
        if fitted:
            return waves.rows(torch.tensor(fitted))
        index = self.statements.index(ALL)
        theta, a, b = waves.rows(slice(index, index + 1))
        widths = torch.tensor([1, WIDENED, WIDENED, WIDENED, 1])
        heights = torch.tensor([0, HEIGHTENED, HEIGHTENED, HEIGHTENED, 0])
        a = a * heights / widths**2
        a[..., -1] = OPPOSED * a[..., 2].sign() * self.a[index, ..., -1].abs()
        return Waves(theta * widths, a, b * widths)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `morphology.parquet`.

        Raises:
            UserError: it is missing, or of another version.
        """
        path = folder / FILE
        if not path.is_file():
            raise UserError(f"{path} is missing: run `sediff run simulator` first.")
        table = read_table(path)
        if not {"offset_exponent", "width_exponent"} <= set(table.columns):
            raise UserError(f"{path} is of another version: run `sediff run simulator` again.")
        statements = tuple(table["statement"].unique(maintain_order=True))
        shape = (len(statements), len(INDEPENDENT_LEADS), len(WAVES))
        theta, a, b = (torch.tensor(table[name].to_numpy().reshape(shape)) for name in ("theta", "a", "b"))
        counts, sources, rates = (
            tuple(table[name].gather_every(len(INDEPENDENT_LEADS) * len(WAVES)))
            for name in ("count", "source", "fitted_at")
        )
        exponents = RateExponents(
            *(torch.tensor(table[f"{of}_exponent"].to_numpy()).view(shape)[:, 0] for of in RateExponents._fields)
        )
        return cls(statements, counts, theta, a, b, sources, exponents, rates)
