"""Finding known phrases in free text: tokens, folding of case, umlauts and endings, longest match first."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sediff.errors import UserError

UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "’": "'"})
TOKEN = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:'\w+)?|[.,;!?/\n]")
# Dots that end no sentence (V.a., 1. Grades, evtl.), and prefixes that are written apart, with a hyphen or together.
REWRITTEN = (
    (re.compile(r"\b([a-z])\. ?([a-z])\.(?!\w)", re.IGNORECASE), r"\1\2"),
    (re.compile(r"\b([123i]+)\.(?= ?grad)", re.IGNORECASE), r"\1"),
    (re.compile(r"\b(evtl|bzw|ca|wg|vgl)\.", re.IGNORECASE), r"\1"),
    (re.compile(r"\bnon[ -]+", re.IGNORECASE), "non"),
)
# English plurals and German endings; at least four letters stay.
ENDINGS = re.compile(r"^(.{4,}?)(?:er|es|en|em|e|s)+$")


def tokenise(text: str) -> list[str]:
    """Words, numbers and the punctuation that ends a phrase, in their own case, without umlauts."""
    text = text.translate(UMLAUTS)
    for pattern, replacement in REWRITTEN:
        text = pattern.sub(replacement, text)
    return TOKEN.findall(text)


@lru_cache(maxsize=65536)
def stem(token: str) -> str:
    """A word in lower case without its inflected ending: "Extrasystolen" and "extrasystole" are the same."""
    token = token.lower()
    if token.endswith("ies"):
        token = token[:-3] + "y"
    return ENDINGS.sub(r"\1", token)


class Match(NamedTuple):
    """A phrase that starts at a token: how many tokens long, and what it stands for."""

    length: int
    meaning: str


class Phrases:
    """Phrases to meanings, compared token by token after `fold`."""

    def __init__(self, meanings: Mapping[str, Iterable[str]], fold: Callable[[str], str]) -> None:
        """Index the phrases of each meaning.

        Raises:
            UserError: two meanings share a phrase.
        """
        self.fold = fold
        known: dict[tuple[str, ...], str] = {}
        for meaning, phrases in meanings.items():
            for phrase in phrases:
                tokens = tuple(map(fold, tokenise(phrase)))
                if tokens and known.setdefault(tokens, meaning) != meaning:
                    raise UserError(f"{phrase!r} stands for both {known[tokens]} and {meaning}: keep it in one place.")
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for tokens, meaning in sorted(known.items(), key=lambda item: (-len(item[0]), item)):
            self._by_first.setdefault(tokens[0], []).append((tokens, meaning))

    def at(self, folded: Sequence[str], start: int) -> Match | None:
        """The longest phrase that starts at one of the folded tokens."""
        for tokens, meaning in self._by_first.get(folded[start], ()):
            if tuple(folded[start : start + len(tokens)]) == tokens:
                return Match(len(tokens), meaning)
        return None

    def all_in(self, folded: Sequence[str]) -> list[str]:
        """Meanings of the phrases among folded tokens, in order; a token belongs to one phrase only."""
        found, start = [], 0
        while start < len(folded):
            match = self.at(folded, start)
            if match:
                found.append(match.meaning)
            start += match.length if match else 1
        return found
