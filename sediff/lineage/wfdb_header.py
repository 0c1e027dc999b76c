"""What the header of a record that `sediff generate` wrote says of where it came from."""

import re
from dataclasses import dataclass
from pathlib import Path

from sediff.errors import UserError

SYNTHETIC = "SYNTHETIC ECG made by sediff"
LIKENESS = ("confidence", "exact_similarity", "meaning_similarity")  # of an experience, as columns and comments name it
NEIGHBOUR = re.compile(r"(\S+/\S+) (\d\.\d+)")


@dataclass(frozen=True)
class Said:
    """The comments of a header.

    Attributes:
        neighbours: ids of the records that its experience rests on, and the similarity of each.
        likeness: what there is of `LIKENESS`.
    """

    asked: str
    seed: int
    index: int
    attempt: int
    model: str
    experience_id: str
    distiller: str
    experience: str
    neighbours: tuple[tuple[str, float], ...]
    likeness: dict[str, float]


def read_header(path: Path) -> Said | None:
    """The comments of a `.hea` or of that beside another file of the record; None where sediff did not write it.

    Raises:
        UserError: a header of sediff's is damaged.
    """
    header = path.with_suffix(".hea")
    if not header.is_file():
        return None
    lines = header.read_text(encoding="ascii", errors="replace").splitlines()
    comments: list[str] = []
    for line in (line[1:].removeprefix(" ") for line in lines if line.startswith("#")):
        if line.startswith("  ") and comments:  # a wrapped comment goes on
            comments[-1] += f" {line.strip()}"
        else:
            comments.append(line.strip())
    if not comments or not comments[0].startswith(SYNTHETIC):
        return None
    said = dict(comment.split(": ", 1) for comment in comments[1:] if ": " in comment)
    try:
        name, _, rest = said["experience"].partition(", ")
        distiller, _, text = rest.partition(": ")
        neighbours = tuple(
            (record, float(similarity)) for record, similarity in NEIGHBOUR.findall(said.get("from", ""))
        )
        return Said(
            said["asked"], int(said["seed"]), int(said["index"]), int(said.get("try", 0)), said["model"],
            name if rest else "", distiller, text, neighbours,
            {key: float(said[key]) for key in LIKENESS if key in said},
        )  # fmt: skip
    except (KeyError, ValueError):
        raise UserError(
            f"{header} is damaged: its comments do not say what it was made of; generate it again."
        ) from None
