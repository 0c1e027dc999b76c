"""What a queue found, as a file of Markdown that the report shows."""

from collections.abc import Sequence
from pathlib import Path

from sediff.cells.cell import made
from sediff.files import replacing


def write_table(folder: Path, name: str, corpus: Path, lines: Sequence[str]) -> None:
    """Write `NAME.md`: on which corpus the cells rest, and the lines of their table.

    Args:
        corpus: folder of the corpus that all cells rest on.
    """
    with replacing(folder / f"{name}.md") as temporary:
        temporary.write_text("\n".join([f"Corpus {made(corpus)}", "", *lines, ""]), encoding="utf-8")
