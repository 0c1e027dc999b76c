"""How certain a text is of what it names: which findings a word of negation or doubt governs.

After NegEx (Chapman et al., J Biomed Inform 34:301, 2001): a scope of some words, ended by punctuation and contrast,
and passed on along lists ("no A, B or C"). What was and what others have is told apart as in ConText (Harkema et al.,
J Biomed Inform 42:839, 2009).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Certainty = Literal["present", "absent", "uncertain"]
# What is said of one mention: "past" is what was, "other" what somebody else has.
Mention = Literal["present", "absent", "uncertain", "past", "other"]
# What a word of certainty.yaml does, and to which side; "beside" is before, or after at the end of a clause.
Effect = Literal[
    "absent_before",
    "absent_list_before",
    "absent_beside",
    "absent_list_beside",
    "absent_after",
    "absent_next_after",
    "uncertain_before",
    "uncertain_list_before",
    "uncertain_beside",
    "uncertain_after",
    "past_before",
    "past_beside",
    "past_after",
    "other_before",
    "neutral",
    "contrast",
    "turn",
]
WEIGHT: tuple[Certainty, ...] = ("present", "uncertain", "absent")  # of two mentions the first of these counts

EFFECTS: dict[str, Mention] = {"absent": "absent", "uncertain": "uncertain", "past": "past", "other": "other"}

# How far a word of negation or doubt reaches, in words that are no finding; a German negation comes last of its clause
# ("LSB wurde in diesem EKG nicht gesehen").
WORDS_BEFORE, WORDS_AFTER, WORDS_AFTER_NEGATED, WORDS_BETWEEN = 8, 4, 6, 3
STOPS = frozenset(".;!\n")
OR = frozenset({"or", "nor", "oder", "noch", "eller", "/"})
AND = frozenset({"and", "und", "och"})
# Which separators pass on a word that governs what follows; a comma does too where one of these ends the list.
LINKS = {
    "absent": ("or", "and"),
    "absent_list": ("or", "and"),
    "absent_next": (),
    "uncertain": ("or",),
    "uncertain_list": ("or", "and", "comma"),
    "past": ("or", "and"),
    "other": ("or", "and"),
}
WORDS = frozenset({"word", "turn", "past_before", "past_beside"})  # that scopes go over: "no history of"
JOINTS = frozenset({"comma", "or", "and"})
GOVERNED = WORDS | {"finding"}
SOUND = frozenset({"NORM", "SR"})  # "no AF, sinus rhythm and LBBB": what is sound is on no list of what is ruled out


class Item(NamedTuple):
    """A piece of a text: a finding (what it stands for), a word of certainty, a separator or any other word.

    Attributes:
        of_ecg: whether a finding is a statement of an ECG, which a patient can neither have felt nor deny.
    """

    kind: str
    codes: tuple[str, ...] = ()
    words: str = ""
    of_ecg: bool = False


def outweighing(one: Certainty, other: Certainty) -> Certainty:
    """Of two mentions of a statement the one that counts: present, then uncertain, then absent."""
    return min(one, other, key=WEIGHT.index)


def certainties(items: Sequence[Item]) -> dict[int, Mention]:
    """What is said of each finding by its position.

    The first word that reaches a finding decides, but for the past: a "previous infarct" may be "unlikely".
    """
    reached: dict[int, Mention] = {}
    for position, item in enumerate(items):
        for governed in _reached(items, position):
            if reached.get(governed, "past") == "past":
                reached[governed] = EFFECTS[item.kind.partition("_")[0]]
    return {position: reached.get(position, "present") for position, item in enumerate(items) if item.kind == "finding"}


def ruled_out_words(items: Sequence[Item]) -> set[int]:
    """Positions of words beside a negation or a relative, which say nothing of the patient: "no abnormality"."""
    found: set[int] = set()
    for position in range(len(items)):
        effect, side = _effect(items, position)
        if effect.startswith(("absent", "other")):
            step = 1 if side == "before" else -1
            for at in range(position + step, position + step * (WORDS_BETWEEN + 1), step):
                if at < 0 or _kind(items, at) != "word":
                    break
                found.add(at)
    return found


def separator(token: str, before: Sequence[Item]) -> str:
    """The kind of a token that is no finding and no word of certainty: what it does to the scopes around it."""
    if token == "\n" and before and (before[-1].kind in JOINTS or before[-1].kind.endswith("_before")):
        return "word"  # a line that is wrapped: "no AF,\nLVH or LBBB"
    if token in STOPS:
        return "stop"
    if token == "?":  # "LBBB?" and "? LBBB"
        return "uncertain_after" if before and before[-1].kind == "finding" else "uncertain_before"
    if token == ",":
        return "comma"
    return "or" if token in OR else "and" if token in AND else "word"


def _reached(items: Sequence[Item], trigger: int) -> list[int]:
    """Positions of the findings that a word of certainty governs; none if the item is no such word."""
    effect, side = _effect(items, trigger)
    if side == "before":
        return _reached_after(items, trigger, effect)
    return _reached_before(items, trigger, effect) if side == "after" else []


def _effect(items: Sequence[Item], trigger: int) -> tuple[str, str]:
    """What a word of certainty says, and whether it stands "before" or "after" what it governs; "" of other items."""
    effect, _, side = items[trigger].kind.rpartition("_")
    if side == "beside":  # "unlikely LBBB" and "LBBB unlikely"
        side = "before" if _kind(items, trigger + 1) in GOVERNED else "after"
    return effect, side


def _kind(items: Sequence[Item], position: int) -> str:
    return items[position].kind if position < len(items) else "stop"


def _reached_after(items: Sequence[Item], trigger: int, effect: str) -> list[int]:
    """The next finding, and those that a list ("A, B or C") joins to it."""
    reached: list[int] = []
    links, enders = LINKS[effect], _enders(items, trigger, effect)
    words, link = WORDS_BEFORE, "or"
    for position in range(trigger + 1, len(items)):
        kind = items[position].kind
        if kind == "finding":
            if not link or (link != "or" and SOUND.intersection(items[position].codes)):
                break
            reached.append(position)
            words, link = WORDS_BETWEEN, ""
        elif kind == "turn" and items[position - 1].kind in JOINTS:  # "no AF and now LBBB"
            break
        elif kind in links or (kind == "comma" and _passes(items, position, effect, enders)):
            link = kind if reached else link
        elif kind in WORDS or (kind == "and" and not reached):
            words -= 1
            if words < 0:
                break
        else:
            break
    return reached


def _enders(items: Sequence[Item], trigger: int, effect: str) -> tuple[str, ...]:
    """What makes the commas after a word those of a list, "A, B or C".

    Where commas part the statements before it ("LVH, no AF, LBBB and PVCs"), those after a plain "no" do as well, and
    only an "or" makes a list.
    """
    if effect == "absent" and trigger and items[trigger - 1].kind == "comma":
        for item in reversed(items[: trigger - 1]):
            if item.kind == "finding":
                return ("or",)
            if item.kind == "stop":
                break
    return tuple(link for link in LINKS[effect] if link != "comma")


def _passes(items: Sequence[Item], comma: int, effect: str, enders: tuple[str, ...]) -> bool:
    """Whether a comma is one of a list; what is denied goes on without "or" and "and": "denies chest pain, syncope"."""
    denied = effect == "absent_list" and _kind(items, comma + 1) == "finding" and not items[comma + 1].of_ecg
    return denied or _list_goes_on(items, comma, enders)


def _list_goes_on(items: Sequence[Item], comma: int, enders: tuple[str, ...]) -> bool:
    """Whether an "or" or "and" follows the comma before anything else ends the list."""
    for position in range(comma + 1, len(items)):
        kind = items[position].kind
        if kind in enders:
            return _kind(items, position + 1) in ("finding", "word")
        if kind not in ("finding", "word", "turn", "comma") or (kind == "turn" and items[position - 1].kind in JOINTS):
            return False
    return False


def _reached_before(items: Sequence[Item], trigger: int, effect: str) -> list[int]:
    """The finding before, and those joined to it by "or" or "and"; a negation takes all of "A, B and C"."""
    reached: list[int] = []
    negated = effect.startswith("absent")
    words, link, listed = WORDS_AFTER_NEGATED if negated else WORDS_AFTER, "or", False
    if effect == "absent_next":
        if _kind(items, trigger + 1) in GOVERNED:
            return []
        words = 0
    for position in range(trigger - 1, -1, -1):
        kind = items[position].kind
        if kind == "finding":
            if not link or (link != "or" and SOUND.intersection(items[position].codes)):
                break
            reached.append(position)
            words, link = 0, ""
        elif kind in ("or", "and") and reached:
            link, listed = kind, True
        elif kind == "comma" and listed and negated:
            link = kind
        elif kind in WORDS and words > 0:
            words -= 1
        else:
            break
    return reached
