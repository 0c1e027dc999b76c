"""The vocabulary of ECG statements: names, classes and synonyms, from codes to text and back.

People curate it in `knowledge/statements.yaml` (the statements) and `knowledge/certainty.yaml` beside it
(the words of negation and doubt). Text is English or German.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import yaml
from pydantic import TypeAdapter, ValidationError

from sediff.errors import UserError
from sediff.phrases import Phrases, stem, tokenise
from sediff.section import Items, Section

STATEMENTS = Path("knowledge/statements.yaml")
Certainty = Literal["present", "absent", "uncertain"]
Kind = Literal["diagnostic", "form", "rhythm"]
KINDS: tuple[Kind, ...] = ("diagnostic", "form", "rhythm")

# How far a word of negation or doubt reaches, in words that are no finding.
WORDS_BEFORE, WORDS_AFTER, WORDS_BETWEEN = 8, 4, 3
STOPS = frozenset(".;!\n")
OR = frozenset({"or", "nor", "oder", "noch", "/"})
AND = frozenset({"and", "und"})


class Statement(Section):
    """One SCP statement; `superclass` and `subclass` are PTB-XL's, None for those that are not diagnostic."""

    code: str
    name: str
    kinds: Items[Kind]
    superclass: Literal["NORM", "MI", "STTC", "CD", "HYP"] | None = None
    subclass: str | None = None
    synonyms: Items[str] = ()
    synonyms_de: Items[str] = ()
    snomed: Items[str] = ()

    @property
    def phrases(self) -> tuple[str, ...]:
        """The name and all synonyms."""
        return (self.name, *self.synonyms, *self.synonyms_de)


class Finding(NamedTuple):
    """A statement found in a text."""

    code: str
    certainty: Certainty


class Item(NamedTuple):
    """A piece of a text: a finding, a word of certainty, a separator or any other word."""

    kind: str
    code: str = ""


class Vocabulary:
    """The project's statements; `Vocabulary.load()` reads the curated ones."""

    def __init__(self, statements: Iterable[Statement], certainty: dict[str, list[str]]) -> None:
        """Index statements and words of certainty.

        Raises:
            UserError: two statements share a phrase.
        """
        self._statements = {statement.code: statement for statement in sorted(statements, key=lambda s: s.code)}
        self.codes: tuple[str, ...] = tuple(self._statements)
        self._findings = Phrases({s.code: s.phrases for s in self._statements.values()}, stem)
        self._exact = Phrases({code: [code] for code in self.codes}, str)
        self._certainty = Phrases(certainty, str.lower)
        self._by_snomed = {snomed: s.code for s in self._statements.values() for snomed in s.snomed}

    @classmethod
    def load(cls, path: Path = STATEMENTS) -> Self:
        """Read `statements.yaml` and the `certainty.yaml` beside it.

        Raises:
            UserError: a file is missing, is not YAML, or a statement is malformed.
        """
        rows = _read_yaml(path)
        try:
            statements = [Statement(code=code, **row) for code, row in rows.items()]
            beside = path.with_name("certainty.yaml")
            certainty = TypeAdapter(dict[str, list[str]]).validate_python(_read_yaml(beside))
        except (ValidationError, TypeError) as error:
            raise UserError(f"{path} or certainty.yaml beside it is malformed: {str(error).splitlines()[0]}.") from None
        return cls(statements, certainty)

    def __getitem__(self, code: str) -> Statement:
        """The statement of a code.

        Raises:
            UserError: the vocabulary has no such code.
        """
        if code not in self._statements:
            raise UserError(f"{code!r} is no statement of the vocabulary: use one of knowledge/statements.yaml.")
        return self._statements[code]

    def known(self, code: str) -> bool:
        """Whether the vocabulary has this code."""
        return code in self._statements

    def from_snomed(self, snomed: str) -> str | None:
        """The statement of a SNOMED CT code, None where the vocabulary has none."""
        return self._by_snomed.get(snomed)

    def views(self, codes: Iterable[str]) -> dict[Kind, list[str]]:
        """The codes that are diagnostic, form and rhythm statements, each sorted; some are of two kinds."""
        kinds = {code: self[code].kinds for code in sorted(set(codes))}
        return {kind: [code for code, of in kinds.items() if kind in of] for kind in KINDS}

    def superclasses(self, codes: Iterable[str]) -> set[str]:
        """PTB-XL's diagnostic superclasses of the codes."""
        return {statement.superclass for statement in map(self.__getitem__, codes) if statement.superclass}

    def describe(self, codes: Iterable[str]) -> str:
        """Compose one English sentence: rhythm, normality, conduction, other diagnoses, form; "" without codes.

        `find` gives exactly these codes back, as present.

        Raises:
            UserError: the vocabulary has no such code.
        """
        ordered = sorted({code: self[code] for code in codes}.values(), key=_place_in_sentence)
        sentence = ", ".join(statement.name for statement in ordered)
        return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""

    def find(self, text: str) -> list[Finding]:
        """The statements that a text names, in order of first mention, each once.

        The longest phrase wins ("incomplete LBBB" is not LBBB). Codes count when written in capitals. A finding within
        reach of a negation is absent, of a word of doubt uncertain (after NegEx, Chapman et al. 2001, with its scope
        ended by punctuation and contrast, and passed on along lists). Where a statement is named more than once,
        present outweighs uncertain, and uncertain absent.
        """
        items = self._items(text)
        certainty: dict[int, Certainty] = {}
        for position, item in enumerate(items):
            for reached in _reached(items, position):
                certainty.setdefault(reached, "absent" if item.kind.startswith("absent") else "uncertain")
        found: dict[str, Certainty] = {}
        for position, item in enumerate(items):
            if item.kind == "finding":
                said: Certainty = certainty.get(position, "present")
                found[item.code] = min(found.get(item.code, said), said, key=("present", "uncertain", "absent").index)
        return [Finding(code, said) for code, said in found.items()]

    def _items(self, text: str) -> list[Item]:
        tokens = tokenise(text)
        stems, lower = [stem(token) for token in tokens], [token.lower() for token in tokens]
        items: list[Item] = []
        start = 0
        while start < len(tokens):
            exact, finding = self._exact.at(tokens, start), self._findings.at(stems, start)
            best = finding if finding and (not exact or finding.length >= exact.length) else exact
            words = None if best else self._certainty.at(lower, start)
            if best:
                items.append(Item("finding", best.meaning))
            elif words:
                items.append(Item(words.meaning))
            else:
                items.append(_separator(lower[start], items))
            match = best or words
            start += match.length if match else 1
        return items


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} is missing: restore it from the repository.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UserError(f"{path} is not valid YAML in UTF-8: mend it or restore it from the repository.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no mapping: restore it from the repository.")
    return content


def _place_in_sentence(statement: Statement) -> tuple[int, str]:
    groups = (
        "rhythm" in statement.kinds,
        statement.superclass == "NORM",
        statement.superclass == "CD" or statement.code == "LPR",
        "diagnostic" in statement.kinds,
        True,
    )
    return groups.index(True), statement.code


def _separator(token: str, before: Sequence[Item]) -> Item:
    if token in STOPS:
        return Item("stop")
    if token == "?":  # "LBBB?" and "? LBBB"
        return Item("uncertain_after" if before and before[-1].kind == "finding" else "uncertain_before")
    if token == ",":
        return Item("comma")
    return Item("or" if token in OR else "and" if token in AND else "word")


def _reached(items: Sequence[Item], trigger: int) -> list[int]:
    """Positions of the findings that a word of certainty governs; none if the item is no such word."""
    kind = items[trigger].kind
    if kind.endswith("_before"):
        return _reached_after(items, trigger, links=("or", "and") if kind.startswith("absent") else ("or",))
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
        elif kind == "word" or (kind == "and" and not reached):
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
