"""What free text says of a patient: age, sex, heart rate, ECG statements, drugs and diagnoses, each with its certainty.

One reading of the text finds statements and terms together, so that a negation reaches what it governs and no further:
in "no diabetes, LBBB on digoxin" only diabetes is absent.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl

from sediff.knowledge.person import Person, read_person, says_sex
from sediff.phrases import Match, Phrases, stem, tokenise
from sediff.vocabulary import Certainty, Finding, Vocabulary
from sediff.vocabulary.certainty import certainties, outweighing, ruled_out_words
from sediff.vocabulary.unread import unread

CAPITALS_ONLY = 2  # letters: "MI" and "AS" are abbreviations, "mi" and "as" are none
SHORTEST = 3  # letters, of a word that means something
MARK = "term:"  # what tells a term from a statement among findings


@dataclass(frozen=True)
class Term:
    """A drug, diagnosis or procedure that a text names.

    Attributes:
        words: as the text has it; title: as the store calls it.
        view: of the profiles.
        items: of the profiles, such as the category in ICD-9 and in ICD-10; () where no training patient has any.
        past: whether the text says of it that it was, and nothing else.
    """

    words: str
    title: str
    view: str
    items: tuple[str, ...]
    certainty: Certainty
    past: bool = False


@dataclass(frozen=True)
class FreeText:
    """A text, understood.

    Attributes:
        statements, terms: in order of first mention, each once; those that the text rules out have certainty "absent".
        meaning: what is compared by meaning: names of statements and terms that are not absent, and all other words
            that no negation governs.
        stated: words that statements were read from; some are names of terms as well.
        differing: those whose terms have another certainty: past AF is a diagnosis, and in sinus rhythm no rhythm.
        contradicted: names of what it both states and rules out, with the certainty that counts.
        unread: runs of words in which nothing was read, and what it says of other people.
    """

    text: str
    person: Person
    statements: tuple[Finding, ...]
    terms: tuple[Term, ...]
    meaning: str
    stated: frozenset[str] = frozenset()
    differing: frozenset[str] = frozenset()
    contradicted: tuple[tuple[str, Certainty], ...] = ()
    unread: tuple[str, ...] = ()

    def codes(self, *certainty: Certainty) -> list[str]:
        """Codes of the statements of these certainties, sorted."""
        return sorted(finding.code for finding in self.statements if finding.certainty in certainty)

    def named(self) -> list[Term]:
        """The terms that the text does not rule out."""
        return [term for term in self.terms if term.certainty != "absent"]


class Terms:
    """Names of drugs, diagnoses and procedures, and the items of the profiles that they stand for."""

    def __init__(
        self, table: pl.DataFrame, curated: Mapping[str, Mapping[str, Sequence[str]]], of_ecg: Collection[str] = ()
    ) -> None:
        """Index names.

        Args:
            table: the stage's terms (view, item, title, names).
            curated: view to item to names, the title first; those that the table lacks are understood all the same.
            of_ecg: titles of what comes and goes as a rhythm does: one of the past says nothing of who is near now.
        """
        self.of_ecg = frozenset(of_ecg)
        # Folded name to view to title and items: "influenza" is a disease, and among the drugs its vaccine.
        self._known: dict[str, dict[str, tuple[str, list[str]]]] = {}
        names: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}  # by whether capitals count
        rows = [(v, i, t, n, True) for v, i, t, n in table.select("view", "item", "title", "names").iter_rows()]
        rows += [(v, i, n[0], n, False) for v, items in curated.items() for i, n in items.items()]
        for view, item, title, called, stored in rows:
            for name in called:
                if item.startswith("scp:") or _is_code(name, item) or not (tokens := tokenise(name)):
                    continue
                capitals = name.isupper() and len(name) <= CAPITALS_ONLY
                key = f"{MARK}{' '.join(tokens if capitals else map(stem, tokens))}"
                names[capitals].setdefault(key, []).append(name)
                items = self._known.setdefault(key, {}).setdefault(view, (title, []))[1]
                if stored:
                    items.append(item)
        self._any_case, self._capitals = Phrases(names[False], stem), Phrases(names[True], str)

    def at(self, tokens: Sequence[str], stems: Sequence[str], start: int) -> Match | None:
        """The longest name that starts at a token; capitals count in the shortest."""
        return self._any_case.at(stems, start) or self._capitals.at(tokens, start)

    def named(self, key: str, words: str, certainty: Certainty, past: bool = False) -> list[Term]:
        """The terms behind what `at` found, one a view."""
        return [
            Term(words, title, view, tuple(sorted(set(items))), certainty, past)
            for view, (title, items) in self._known[key].items()
        ]


def read_free_text(text: str, vocabulary: Vocabulary, terms: Terms) -> FreeText:
    """Understand a text; what it says more than once counts as present, then uncertain, then absent."""
    person = read_person(text)
    items = vocabulary.items(person.rest, terms.at)
    said = certainties(items)
    heard = vocabulary.heard(items, said)
    words: dict[str, str] = {}  # of the first mention, as they stand in the text
    now: set[str] = set()  # what is not only told of the past
    for position, mention in said.items():
        for code in items[position].codes:
            words.setdefault(code, items[position].words)
        now.update(items[position].codes if mention != "past" else ())
    counts = {code: reduce(outweighing, mentions) for code, mentions in heard.items()}
    findings = tuple(Finding(code, certainty) for code, certainty in counts.items() if not code.startswith(MARK))
    keys = [key for key in counts if key.startswith(MARK)]
    found = [term for key in keys for term in terms.named(key, words[key], counts[key], key not in now)]
    kept = [vocabulary[code].name for code, certainty in findings if certainty != "absent"]
    there = [term for term in found if term.certainty != "absent" and not (term.past and term.title in terms.of_ecg)]
    kept += [f"{term.words} {term.title}" for term in there]
    not_so = ruled_out_words(items)
    others = [item.words for at, item in enumerate(items) if item.kind in ("word", "turn") and at not in not_so]
    kept += [word for word in others if len(word) >= SHORTEST and not says_sex(word)]
    stated = [item for item in items if any(not code.startswith(MARK) for code in item.codes)]
    said_of = frozenset(item.words for item in stated)
    differing = frozenset(item.words for item in stated if len({counts.get(code) for code in item.codes}) > 1)
    both = [code for code, mentions in heard.items() if "absent" in mentions and counts[code] != "absent"]
    contradicted = {vocabulary[code].name: counts[code] for code in both if not code.startswith(MARK)}
    contradicted |= {words[key]: counts[key] for key in both if key.startswith(MARK) and words[key] not in said_of}
    missed = unread(person.rest, items, said, says_sex)
    both_ways = tuple(contradicted.items())
    meaning = " ".join(kept)
    return FreeText(text, person, findings, tuple(found), meaning, said_of, differing, both_ways, missed)


def _is_code(name: str, item: str) -> bool:
    """Whether a name is a bare code, as of categories without a title: "81" in a text is no procedure."""
    return name == item.partition(":")[2] and any(character.isdigit() for character in name)
