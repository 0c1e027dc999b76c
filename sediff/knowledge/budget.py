"""What answers cost: tokens, money, and the budget of a run."""

import re
import threading
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sediff.errors import UserError

WRITTEN = re.compile(r"(\d+(?:\.\d+)?) ?(tokens|usd)", re.IGNORECASE)
PER = 1e6  # tokens that a price is for


class Usage(NamedTuple):
    """Tokens that were asked with and answered with."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """All tokens."""
        return self.prompt + self.completion

    def plus(self, other: "Usage") -> "Usage":
        """The sum."""
        return Usage(self.prompt + other.prompt, self.completion + other.completion)


class Prices(NamedTuple):
    """US dollars for a million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, usage: Usage) -> float:
        """What tokens cost, US dollars."""
        return (usage.prompt * self.prompt + usage.completion * self.completion) / PER


@dataclass(frozen=True)
class Budget:
    """The most that one run may spend."""

    amount: float
    unit: Literal["tokens", "usd"]

    @classmethod
    def parse(cls, text: str, prices: Prices) -> "Budget | None":
        """A budget as a user writes it, "2000000tokens" or "5usd"; None for "".

        Raises:
            UserError: it is malformed, or in money without prices.
        """
        if not text:
            return None
        written = WRITTEN.fullmatch(text.strip())
        if not written:
            raise UserError(f"--budget {text}: write a number of tokens or of US dollars, like 2000000tokens or 5usd.")
        if not float(written[1]):
            raise UserError(f"--budget {text} allows no call: give more, or none.")
        if written[2].lower() == "tokens":
            return cls(float(written[1]), "tokens")
        if not any(prices):
            raise UserError(
                f"--budget {text} is in money: set runtime.llm_input_price and runtime.llm_output_price, US dollars "
                "for a million tokens, or give a budget in tokens."
            )
        return cls(float(written[1]), "usd")

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit.upper() if self.unit == 'usd' else self.unit}"


class Meter:
    """Counts what a run spends and keeps its calls, which go on at the same time, within the budget.

    A call is begun only if the most that it can take fits beside what was spent and what calls under way may take.
    """

    def __init__(self, budget: Budget | None = None, prices: Prices | None = None) -> None:
        self.budget, self.prices = budget, prices or Prices()
        self.spent, self.calls, self.unknown, self.faults = Usage(), 0, 0, 0
        self._held: list[Usage] = []
        self._changed = threading.Condition()

    def begin(self, most: Usage) -> None:
        """Wait for a call's turn.

        Raises:
            UserError: the budget is spent, or what is left of it may not suffice.
        """
        with self._changed:
            while not self._fits(most):
                if not self._held:
                    raise UserError(
                        f"The budget of {self.budget} does not suffice for another call: run again with another "
                        "--budget to go on, the answers so far are kept."
                    )
                self._changed.wait()
            self._held.append(most)

    def end(self, most: Usage) -> None:
        """Free what `begin` held for a call, after what it took was noted."""
        with self._changed:
            self._held.remove(most)
            self._changed.notify_all()

    def answered(self, most: Usage, used: Usage | None) -> None:
        """Note what a call took; `used` is None where the endpoint does not say, and `most` is taken for it."""
        with self._changed:
            self.calls += 1
            self.unknown += used is None
            self.spent = self.spent.plus(most if used is None else used)

    def failed(self, most: Usage, billed: bool) -> None:
        """Note a call without an answer; where it may have been billed all the same, `most` is taken for it."""
        with self._changed:
            self.faults += 1
            self.unknown += billed
            self.spent = self.spent.plus(most if billed else Usage())

    def told(self) -> str:
        """Calls answered and failed, tokens and, where there are prices, money, in words."""
        failed = f" ({self.faults} more failed)" if self.faults else ""
        money = f", {self.prices.of(self.spent):.4g} USD" if any(self.prices) else ""
        guessed = f", of which {self.unknown} calls' are a guess" if self.unknown else ""
        return f"this run: {self.calls} calls{failed}, {self.spent.total} tokens{guessed}{money}"

    def _fits(self, most: Usage) -> bool:
        if self.budget is None:
            return True
        total = self.spent
        for usage in (*self._held, most):
            total = total.plus(usage)
        return (total.total if self.budget.unit == "tokens" else self.prices.of(total)) <= self.budget.amount
