"""Tables as Markdown: read, as `sediff ablate` and `sediff study` write them, for the page, and written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sediff.report.tables import Row, Table

CORPUS = "Corpus "


@dataclass
class _Part:
    """What has been read of one table, or of words that none follows."""

    title: str = ""
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def table(self) -> Iterator[Table]:
        if self.notes or self.rows:
            head, *rows = self.rows or [()]
            yield Table(self.title, " ".join(self.notes), head, tuple(rows))


def corpus_of(text: str) -> str:
    """The fingerprint of the corpus that the cells rest on; "" where it is not said."""
    first = text.partition("\n")[0]
    return first.removeprefix(CORPUS) if first.startswith(CORPUS) else ""


def tables_of(text: str) -> list[Table]:
    """Headings, words and tables, in order; words before a table are its note."""
    part, found = _Part(), list[Table]()
    for line in text.splitlines():
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if not all(set(cell) <= set("-:") for cell in cells):
                part.rows.append(cells)
            continue
        if part.rows or line.startswith("#"):
            found += part.table()
            part = _Part(part.title)
        if line.startswith("#"):
            part.title = line.lstrip("# ")
        elif line and not line.startswith(CORPUS):
            part.notes.append(line)
    return [*found, *part.table()]


def written(table: Table, level: int = 3) -> str:
    """A table under its heading of a level, its note before it; `tables_of` reads it back."""
    lines = [_line(table.head), "|" + "---|" * len(table.head), *map(_line, table.rows)]
    return "\n\n".join((f"{'#' * level} {table.title}", table.note, "\n".join(lines)))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
