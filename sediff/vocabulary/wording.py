"""Composing an English sentence from statements, heart axis and infarction stage.

What each axis and stage is called stands in `knowledge/wording.yaml`.
"""

from collections.abc import Sequence

from sediff.errors import UserError
from sediff.section import Section
from sediff.vocabulary.statements import Statement

DOUBT = "possible"
MI = "MI"
AXES = frozenset({"LAD", "RAD"})


class Wording(Section):
    """What PTB-XL's codes of heart axis and infarction stage are called in English."""

    heart_axis: dict[str, str]
    infarction_stage: dict[str, str]

    def axis(self, code: str) -> str:
        """The words of a heart axis; "" without a code.

        Raises:
            UserError: the code is not known.
        """
        return _words(self.heart_axis, code, "heart axis") if code else ""

    def stages(self, codes: Sequence[str]) -> list[str]:
        """The words of infarction stages, without empty and repeated ones.

        Raises:
            UserError: a code is not known.
        """
        return list(dict.fromkeys(_words(self.infarction_stage, code, "infarction stage") for code in codes if code))


def compose(present: Sequence[Statement], uncertain: Sequence[Statement], axis: str, stages: Sequence[str]) -> str:
    """One sentence: rhythm, normality, axis, conduction, other diagnoses, form; "" where there is nothing to say.

    A stage stands with the infarction where there is one of each. Otherwise no source says which stage belongs to
    which infarction, and the stages are named apart.
    """
    infarctions = {statement.code for statement in (*present, *uncertain) if statement.superclass == MI}
    stage = stages[0] if len(stages) == len(infarctions) == 1 else ""
    said = [(_place(s), s.code, _staged(s, stage)) for s in present]
    said += [(_place(s), s.code, f"{DOUBT} {_staged(s, stage)}") for s in uncertain]
    if axis:
        said.append((AXIS, "", axis))
    if stages and not stage:
        said.append((DIAGNOSIS, "~", f"infarction {' and '.join(stages)}"))  # "~" comes after all codes
    sentence = ", ".join(words for _, _, words in sorted(said))
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


RHYTHM, NORMALITY, AXIS, CONDUCTION, DIAGNOSIS, FORM = range(6)


def _place(statement: Statement) -> int:
    if "rhythm" in statement.kinds:
        return RHYTHM
    if statement.superclass == "NORM":
        return NORMALITY
    if statement.code in AXES:
        return AXIS
    if statement.superclass == "CD" or statement.code == "LPR":
        return CONDUCTION
    return DIAGNOSIS if "diagnostic" in statement.kinds else FORM


def _staged(statement: Statement, stage: str) -> str:
    return f"{stage} {statement.name}" if stage and statement.superclass == MI else statement.name


def _words(known: dict[str, str], code: str, what: str) -> str:
    if code not in known:
        raise UserError(f"{code!r} is no {what} of knowledge/wording.yaml: use one of {', '.join(known)}.")
    return known[code]
