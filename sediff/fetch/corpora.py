"""The corpora that can be fetched; the command line shows this list in its help, so nothing heavy is imported."""

from dataclasses import dataclass

from sediff.errors import UserError

PHYSIONET = "https://physionet.org/files"


@dataclass(frozen=True)
class Corpus:
    """A published version of a corpus. Its name is PhysioNet's own, and that of its reader."""

    name: str
    version: str
    licence: str
    size: str
    access: str = "open to all"

    @property
    def page(self) -> str:
        """Where people read about it, and sign what has to be signed."""
        return f"https://physionet.org/content/{self.name}/{self.version}/"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus("ptb-xl", "1.0.3", "CC BY 4.0", "3 GB"),
        Corpus("ludb", "1.0.1", "ODC-By 1.0", "30 MB"),
        Corpus("mimic-iv-ecg", "1.0", "ODbL 1.0", "90 GB"),
    )
}
CATALOGUE = ", ".join(f"{each} ({each.licence}, {each.access}, about {each.size})" for each in CORPORA.values())


def find(name: str) -> Corpus:
    """The corpus of that name.

    Raises:
        UserError: there is none.
    """
    if name not in CORPORA:
        raise UserError(f"There is no corpus {name} to fetch: there are {', '.join(CORPORA)}.")
    return CORPORA[name]
