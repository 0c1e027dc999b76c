"""The vocabulary itself: from codes and text to statements, and from statements to text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from sediff.errors import UserError
from sediff.phrases import Match, Phrases, stem, tokenise
from sediff.vocabulary.certainty import Certainty, Effect, Item, Mention, certainties, outweighing, separator
from sediff.vocabulary.statements import KINDS, STATEMENTS, Kind, Statement, read_statements, read_yaml
from sediff.vocabulary.wording import Wording, compose

NOT_STATED = 0.0
SINUS = frozenset({"SR", "SBRAD", "STACH", "SARRH"})  # rhythms that leave no other there
# A phrase that starts at a position, given tokens and their stems.
Lookup = Callable[[Sequence[str], Sequence[str], int], Match | None]


class Finding(NamedTuple):
    """A statement found in a text."""

    code: str
    certainty: Certainty


class Said(NamedTuple):
    """What a source says of a statement; likelihood in percent, 0 where it is not stated."""

    certainty: Certainty
    likelihood: float = NOT_STATED


@dataclass(frozen=True)
class Reading:
    """What a source says of one record, in the project's statements.

    Attributes:
        statements: code to what is said of it.
        unmapped: the codes or lines that are none of the vocabulary's, as the source wrote them, each once.
    """

    statements: Mapping[str, Said]
    unmapped: tuple[str, ...] = ()

    def codes(self, certainty: Certainty) -> list[str]:
        """The codes of one certainty, sorted."""
        return sorted(code for code, said in self.statements.items() if said.certainty == certainty)


class Vocabulary:
    """The project's statements; `Vocabulary.load()` reads the curated ones."""

    def __init__(
        self, statements: Iterable[Statement], certainty: Mapping[str, Iterable[str]], wording: Wording
    ) -> None:
        """Index statements and words of certainty.

        Raises:
            UserError: two statements share a phrase or a SNOMED CT code.
        """
        self._statements = {statement.code: statement for statement in sorted(statements, key=lambda s: s.code)}
        self.codes: tuple[str, ...] = tuple(self._statements)
        self._findings = Phrases({s.code: s.phrases for s in self._statements.values()}, stem)
        self._exact = Phrases({code: [code] for code in self.codes}, str)
        self._certainty = Phrases(certainty, str.lower)
        self._by_snomed = _by_snomed(self._statements.values())
        self._wording = wording

    @classmethod
    def load(cls, path: Path = STATEMENTS) -> Self:
        """Read `statements.yaml`, and `certainty.yaml` and `wording.yaml` beside it.

        Raises:
            UserError: a file is missing, is not YAML, or is malformed.
        """
        statements = read_statements(path)
        beside = path.with_name("certainty.yaml"), path.with_name("wording.yaml")
        certainty, wording = map(read_yaml, beside)
        try:
            words = TypeAdapter(dict[Effect, list[str]]).validate_python(certainty)
            return cls(statements, {str(effect): of for effect, of in words.items()}, Wording.model_validate(wording))
        except ValidationError as error:
            names = " or ".join(map(str, beside))
            raise UserError(f"{names} is malformed: {str(error).splitlines()[0]}.") from None

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

    def from_codes(self, likelihoods: Mapping[str, float], certain_from: float) -> Reading:
        """Read SCP codes with their likelihoods in percent, 0 where it is not stated.

        A stated likelihood below `certain_from` makes a statement uncertain.
        """
        statements = {
            code: Said("uncertain" if NOT_STATED < likelihood < certain_from else "present", likelihood)
            for code, likelihood in likelihoods.items()
            if self.known(code)
        }
        return Reading(statements, tuple(code for code in likelihoods if not self.known(code)))

    def from_snomed(self, codes: Iterable[str]) -> Reading:
        """Read SNOMED CT codes, such as those after `Dx:` in the Challenges' headers; all count as present."""
        codes = list(dict.fromkeys(codes))
        statements = {self._by_snomed[code]: Said("present") for code in codes if code in self._by_snomed}
        return Reading(statements, tuple(code for code in codes if code not in self._by_snomed))

    def from_text(self, lines: str | Iterable[str]) -> Reading:
        """Read a report or a machine's statements, one a line; a line is unmapped where nothing is found in it.

        Where lines differ, present outweighs uncertain, and uncertain absent.
        """
        statements: dict[str, Said] = {}
        unmapped: dict[str, None] = {}
        for line in lines.splitlines() if isinstance(lines, str) else lines:
            findings = self.find(line)
            if line.strip() and not findings:
                unmapped[line.strip()] = None
            for code, certainty in findings:
                before = statements.get(code)
                statements[code] = Said(outweighing(before.certainty, certainty) if before else certainty)
        return Reading(statements, tuple(unmapped))

    def knows_axis(self, axis: str) -> bool:
        """Whether `describe` has words for a heart axis."""
        return not axis or axis in self._wording.heart_axis

    def knows_stage(self, stage: str) -> bool:
        """Whether `describe` has words for an infarction stage."""
        return not stage or stage in self._wording.infarction_stage

    def views(self, codes: Iterable[str]) -> dict[Kind, list[str]]:
        """The codes that are diagnostic, form and rhythm statements, each sorted; some are of two kinds."""
        kinds = {code: self[code].kinds for code in sorted(set(codes))}
        return {kind: [code for code, of in kinds.items() if kind in of] for kind in KINDS}

    def superclasses(self, codes: Iterable[str]) -> set[str]:
        """PTB-XL's diagnostic superclasses of the codes."""
        return {statement.superclass for statement in map(self.__getitem__, codes) if statement.superclass}

    def describe(
        self, codes: Iterable[str], uncertain: Iterable[str] = (), axis: str = "", stages: Iterable[str] = ()
    ) -> str:
        """Compose one English sentence; "" where there is nothing to say. What is absent is left out.

        `find` gives exactly these codes back, as present and as uncertain, and the statement that the axis is, if any:
        "LAD" is left axis deviation and "AXL" a possible one.

        Args:
            codes: what is present.
            uncertain: what is possible; a code in both counts as present.
            axis: PTB-XL's `heart_axis`, such as "LAD"; "" where it is not known.
            stages: PTB-XL's `infarction_stadium1` and `infarction_stadium2`, such as "Stadium III"; "" is left out.

        Raises:
            UserError: the vocabulary has no such code, axis or stage.
        """
        words = self._wording.axis(axis)
        told = self.find(words)
        present = set(codes) - {finding.code for finding in told if finding.certainty == "present"}
        possible = set(uncertain) - set(codes) - {finding.code for finding in told}
        return compose(
            [self[code] for code in sorted(present)],
            [self[code] for code in sorted(possible)],
            words,
            self._wording.stages(list(stages)),
        )

    def find(self, text: str) -> list[Finding]:
        """The statements that a text names, in order of first mention, each once.

        The longest phrase wins ("incomplete LBBB" is not LBBB, the "LAD occlusion" of an artery is no axis). Codes
        count when written in capitals. A finding within reach of a negation is absent, of a word of doubt uncertain,
        and what somebody else has is not found. What is past is present still, but for a rhythm, which comes and goes:
        it is uncertain ("history of atrial fibrillation"), or absent where a sinus rhythm is there now.
        Where a statement is named more than once, present outweighs uncertain, and uncertain absent.
        """
        items = self.items(text)
        heard = self.heard(items, certainties(items))
        return [Finding(code, reduce(outweighing, mentions)) for code, mentions in heard.items()]

    def heard(self, items: Sequence[Item], said: Mapping[int, Mention]) -> dict[str, list[Certainty]]:
        """What the mentions of each code say of its presence now, in order of first mention.

        Args:
            said: of the findings among the items, as `certainties` gives it.
        """
        mentions = [(code, mention) for at, mention in said.items() if mention != "other" for code in items[at].codes]
        sinus = any(mention == "present" and code in SINUS for code, mention in mentions)
        heard: dict[str, list[Certainty]] = {}
        for code, mention in mentions:
            heard.setdefault(code, []).append(self._now(code, mention, sinus))
        return heard

    def _now(self, code: str, mention: Mention, sinus: bool) -> Certainty:
        if mention != "past" and mention != "other":
            return mention
        if not self.known(code) or "rhythm" not in self[code].kinds:
            return "present"
        return "absent" if sinus else "uncertain"

    def items(self, text: str, others: Lookup | None = None) -> list[Item]:
        """The pieces of a text as `certainties` takes them.

        Args:
            others: finds phrases that are none of the vocabulary's. A longer one does not hide the statements in it:
                "paroxysmal atrial fibrillation" is a diagnosis, and atrial fibrillation.
        """
        tokens = tokenise(text)
        stems, lower = [stem(token) for token in tokens], [token.lower() for token in tokens]
        items: list[Item] = []
        start = 0
        while start < len(tokens):
            statement = _longer(self._findings.at(stems, start), self._exact.at(tokens, start))
            other = others(tokens, stems, start) if others else None
            words = self._certainty.at(lower, start)
            match = _longer(_longer(statement, other), words)
            end = start + (match.length if match else 1)
            said = " ".join(tokens[start:end])
            if match is None:
                items.append(Item(separator(lower[start], items), words=said))
            elif match is words:
                items.append(Item(match.meaning, words=said))
            else:
                named = [found.meaning for found in (other, statement) if found and found.length == match.length]
                inside = self._findings.all_in(stems[start:end]) if match is other else []
                codes = tuple(dict.fromkeys([*named, *inside]))
                items.append(Item("finding", codes, said, of_ecg=any(map(self.known, codes))))
            start = end
        return items


def _longer(one: Match | None, other: Match | None) -> Match | None:
    """The longer of two matches, the first of equal ones."""
    return other if one is None or (other and other.length > one.length) else one


def _by_snomed(statements: Iterable[Statement]) -> dict[str, str]:
    known: dict[str, str] = {}
    for statement in statements:
        for snomed in statement.snomed:
            if known.setdefault(snomed, statement.code) != statement.code:
                raise UserError(f"SNOMED {snomed} is both {known[snomed]} and {statement.code}: keep it in one place.")
    return known
