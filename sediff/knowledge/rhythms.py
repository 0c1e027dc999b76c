"""What is told of the rhythm: what a condition states, and what its neighbours have where that leaves it open.

A heart has one basic rhythm at a time: of PTB-XL's records with a statement of one, 0.3 % have two. A record of sinus
rhythm with a bundle branch block teaches what the block looks like in atrial fibrillation as well, but its rhythm and
its P waves are no further findings of it.
"""

from collections.abc import Collection, Iterable, Mapping

from sediff.vocabulary import Vocabulary

PACED = "PACE"  # may stand beside a basic rhythm: the ventricles of a fibrillating heart are paced too
PATTERNS = frozenset({"BIGU", "TRIGU", "BRADY"})  # of premature beats, or of any slow rhythm: they stand beside one
BLOCKS = frozenset({"2AVB", "3AVB"})  # diagnoses that say how the ventricles beat, whatever the atria do
WITHOUT_P = frozenset({"AFIB", "AFLT"})
WITHOUT_PR = WITHOUT_P | {"3AVB"}  # no P wave belongs to a QRS complex
OF_P = frozenset({"1AVB", "LPR", "LAO/LAE", "RAO/RAE", "PAC"})  # what is read from P waves and their intervals
OPEN = "in doubt, for similar records agree on none"


class Rhythm:
    """What a condition states of its rhythm.

    Attributes:
        certain: codes of the basic rhythms that it states without doubt; all others contradict them.
        stated: codes of all its statements of rhythm, AV blocks of second and third degree among them, sorted.
        uncertain: those of them that are stated as possible.
    """

    def __init__(self, named: Iterable[str], uncertain: Collection[str], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.uncertain = frozenset(uncertain)
        self.stated = sorted(code for code in set(named) if self._is_rhythm(code) or code in BLOCKS)
        self.certain = {code for code in self.stated if code not in self.uncertain and self._is_basic(code)}

    @property
    def has_p(self) -> bool:
        """Whether there may be P waves."""
        return not self.certain & WITHOUT_P

    @property
    def has_pr(self) -> bool:
        """Whether P waves may lead to QRS complexes."""
        return not WITHOUT_PR & {code for code in self.stated if code not in self.uncertain}

    def words(self, shares: Mapping[str, float]) -> str:
        """The rhythm in words: "atrial fibrillation", "third degree AV block, with atrial fibrillation 16 %".

        Args:
            shares: of the further statements that neighbours have often enough, the most frequent first.
        """
        names = [f"{'possible ' * (code in self.uncertain)}{self._vocabulary[code].name}" for code in self.stated]
        others = " or ".join(
            share_in_words(code, shares[code], self._vocabulary) for code in shares if self._open(code)
        )
        return ", with ".join(filter(None, (" and ".join(names), others))) or OPEN

    def findings(self, shares: Mapping[str, float]) -> list[str]:
        """The codes of further findings: without what `words` tells, and what the rhythm that is stated excludes."""
        return [code for code in shares if not (self._open(code) or self._excluded(code))]

    def _open(self, code: str) -> bool:
        return not self.certain and (self._is_basic(code) or code == PACED)

    def _excluded(self, code: str) -> bool:
        return bool(self.certain) and (self._is_basic(code) or (not self.has_p and code in OF_P))

    def _is_rhythm(self, code: str) -> bool:
        return "rhythm" in self._vocabulary[code].kinds

    def _is_basic(self, code: str) -> bool:
        return self._is_rhythm(code) and code not in PATTERNS and code != PACED


def share_in_words(code: str, share: float, vocabulary: Vocabulary) -> str:
    """A statement and how many neighbours have it: "sinus rhythm 87 %"."""
    return f"{vocabulary[code].name} {100 * share:.0f} %"
