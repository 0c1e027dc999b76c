"""Finding known phrases in free text: tokens, folding of case, umlauts and endings, longest match first."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sediff.errors import UserError

UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "’": "'"})
TOKEN = re.compile(r"\d+(?:[.,:]\d+)+|\w+(?:'\w+)?|[.,;!?/\n]")
# What is read in another spelling: "PVC's", the ü that some of PTB-XL's reports have lost (f#r), dots that end no
# sentence (V.a., 1. Grades, evtl.), A-V, shortened words, and prefixes written apart, with a hyphen or together.
REWRITTEN = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"(?<=\w)'s\b", ""),
        (r"#(?=[a-z])", "ue"),
        (r"\b([a-z])\. ?([a-z])\.(?!\w)", r"\1\2"),
        (r"\b([as])-(?=[va]\b)", r"\1"),
        (r"\b([123i]+)\.(?= ?grad)", r"\1 "),
        (r"\b(intra|supra|)ventr\.", r"\1ventrikulaere "),
        (r"\b(in|)kompl\.", r"\1komplett "),
        (r"\bpart\.", "partiell "),
        (r"\babnrm\b", "abnormality"),
        (r"\b(evtl|bzw|ca|wg|vgl)\.", r"\1"),
        (r"\bnon[ -]+", "non"),
        # Forms: "LBBB (-) AF (+)", "AF -, LBBB +", "AF: N", "☐ AF ☒ LBBB"
        (r"\(\s*[-–−]\s*\)", " negative, "),
        (r"\(\s*\+\s*\)", " positive, "),
        (r" [-–−] *(?=[,;\n]|$)", " negative"),
        (r" \+ *(?=[,;\n]|$)", " positive"),
        (r"[:=] *(?:n|no|nein|false|0) *(?=[,;\n]|$)", " negative"),
        (r"[:=] *(?:y|yes|ja|true|1) *(?=[,;\n]|$)", " positive"),
        (r"☐", "; no "),
        (r"[☑☒✓✔]", "; "),
        (r"\b(?:excluded|ruled out|ausgeschlossen)\s*:", " negative for "),
    )
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
