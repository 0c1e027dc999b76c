"""How certain a text is of what it names: which findings a word of negation or doubt governs.

After NegEx (Chapman et al., J Biomed Inform 34:301, 2001): a scope of some words, ended by punctuation and contrast,
and passed on along lists ("no A, B or C").
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Certainty = Literal["present", "absent", "uncertain"]
# What a word of certainty.yaml does, and to which side.
Effect = Literal[
    "absent_before",
    "absent_after",
    "uncertain_before",
    "uncertain_list_before",
    "uncertain_after",
    "past_before",
    "neutral",
    "contrast",
]
WEIGHT: tuple[Certainty, ...] = ("present", "uncertain", "absent")  # of two mentions the first of these counts

EFFECTS: dict[str, Certainty | Literal["past"]] = {"absent": "absent", "uncertain": "uncertain", "past": "past"}

# How far a word of negation or doubt reaches, in words that are no finding.
WORDS_BEFORE, WORDS_AFTER, WORDS_BETWEEN = 8, 4, 3
STOPS = frozenset(".;!\n")
OR = frozenset({"or", "nor", "oder", "noch", "eller", "/"})
AND = frozenset({"and", "und", "och"})
# Which separators pass on a word that governs what follows.
LINKS = {
    "absent_before": ("or", "and"),
    "uncertain_before": ("or",),
    "uncertain_list_before": ("or", "and", "comma"),
    "past_before": ("or", "and"),
}


class Item(NamedTuple):
    """A piece of a text: a finding (what it stands for), a word of certainty, a separator or any other word."""

    kind: str
    codes: tuple[str, ...] = ()
    words: str = ""


def outweighing(one: Certainty, other: Certainty) -> Certainty:
    """Of two mentions of a statement the one that counts: present, then uncertain, then absent."""
    return min(one, other, key=WEIGHT.index)


def certainties(items: Sequence[Item]) -> dict[int, Certainty | Literal["past"]]:
    """Certainty of each finding by its position, or that it is past; the first word that reaches a finding decides."""
    reached: dict[int, Certainty | Literal["past"]] = {}
    for position, item in enumerate(items):
        for governed in _reached(items, position):
            reached.setdefault(governed, EFFECTS[item.kind.partition("_")[0]])
    return {position: reached.get(position, "present") for position, item in enumerate(items) if item.kind == "finding"}


def separator(token: str, before: Sequence[Item]) -> str:
    """The kind of a token that is no finding and no word of certainty: what it does to the scopes around it."""
    if token in STOPS:
        return "stop"
    if token == "?":  # "LBBB?" and "? LBBB"
        return "uncertain_after" if before and before[-1].kind == "finding" else "uncertain_before"
    if token == ",":
        return "comma"
    return "or" if token in OR else "and" if token in AND else "word"


def _reached(items: Sequence[Item], trigger: int) -> list[int]:
    """Positions of the findings that a word of certainty governs; none if the item is no such word."""
    kind = items[trigger].kind
    if kind.endswith("_before"):
        return _reached_after(items, trigger, LINKS[kind])
    if kind.endswith("_after"):
        return _reached_before(items, trigger)
    return []


def _reached_after(items: Sequence[Item], trigger: int, links: tuple[str, ...]) -> list[int]:
    """The next finding, and those that a list ("A, B or C") joins to it."""
    reached: list[int] = []
    words, joined = WORDS_BEFORE, True
    for position in range(trigger + 1, len(items)):
        kind = items[position].kind
        if kind == "finding":
            if not joined:
                break
            reached.append(position)
            words, joined = WORDS_BETWEEN, False
        elif kind in links or (kind == "comma" and _list_goes_on(items, position)):
            joined = True
        elif kind in ("word", "past_before") or (kind == "and" and not reached):  # "no history of"
            words -= 1
            if words < 0:
                break
        else:
            break
    return reached


def _list_goes_on(items: Sequence[Item], comma: int) -> bool:
    """Whether an "or" follows the comma before anything else ends the list."""
    for item in items[comma + 1 :]:
        if item.kind == "or":
            return True
        if item.kind not in ("finding", "word", "comma"):
            return False
    return False


def _reached_before(items: Sequence[Item], trigger: int) -> list[int]:
    """The finding before, and those joined to it by "or" or "and"."""
    reached: list[int] = []
    words, joined = WORDS_AFTER, True
    for position in range(trigger - 1, -1, -1):
        kind = items[position].kind
        if kind == "finding":
            if not joined:
                break
            reached.append(position)
            words, joined = 0, False
        elif kind in ("or", "and") and reached:
            joined = True
        elif kind == "word" and words > 0:
            words -= 1
        else:
            break
    return reached
