"""What `sediff ablate` does: cells of the ablation in the clone's own data."""

from pathlib import Path
from typing import Any

from flows.computing import computing
from flows.inputs import embedding_access
from flows.question import require_restrictions
from flows.stage import DATA, OWN, REPORTS, read_records
from sediff.ablation.arms import Plan
from sediff.ablation.cell import Cell, cells_of
from sediff.ablation.compute import Bench
from sediff.ablation.queue import cost, lines, paces_of, run
from sediff.ablation.table import table
from sediff.cells.written import write_table
from sediff.files import read_out
from sediff.params import Params
from sediff.vocabulary import Vocabulary

CELLS, WORK = REPORTS / "ablation", OWN / "work/ablation"
TABLES = REPORTS / "tables"


class Ablation:
    """The cells that were chosen.

    Raises:
        UserError: there is no such arm, or what all cells share has not been made.
    """

    def __init__(
        self, arms: list[str], seeds: list[int], steps: int | None, samples: int | None, split: str | None
    ) -> None:
        changed = {"steps": steps, "samples": samples, "split": split}
        declared = Plan.load().model_dump() | {name: value for name, value in changed.items() if value is not None}
        self.plan, self.params = Plan.model_validate(declared), Params.load()
        self.device, self.described = computing(self.params)
        self.cells: list[Cell] = cells_of(Path(), self.plan, self.params, self.described, arms, seeds)

    def run(self) -> str:
        """Compute what is missing."""
        require_restrictions(self.params)
        WORK.mkdir(parents=True, exist_ok=True)
        access = embedding_access(self.params)
        bench = Bench(DATA, WORK, self.plan, self.params, Vocabulary.load(), self.device, access)
        count = run(self.cells, bench, CELLS)
        self.table()
        return f"{count} cells computed; `sediff ablate --table` compares them" if count else "all cells were there"

    def listed(self) -> list[str]:
        """The cells and their state."""
        return lines(self.cells, self.plan.core, CELLS, self._paces())

    def table(self) -> list[str]:
        """The figures in Markdown; those of all declared cells too, run or not, are written for the report."""
        paces = self._paces()
        declared = cells_of(Path(), self.plan, self.params, self.described, [], [])
        every = [*{cell.name: cell for cell in [*declared, *self.cells]}.values()]
        tables = [table(cells, self.plan, CELLS, lambda cell: cost(cell, paces)) for cells in (every, self.cells)]
        write_table(TABLES, "ablation", DATA / "corpus", tables[0])
        return tables[1]

    def _paces(self) -> list[dict[str, Any]]:
        return [*paces_of(CELLS, self.described), *self._stage_pace()]

    def _stage_pace(self) -> list[dict[str, Any]]:
        """What the diffusion stage took, where no cell has run yet; what evaluation does is left out."""
        path = REPORTS / "diffusion/metrics.json"
        records = [record for record in read_records("diffusion") if record["device"] == self.described]
        if not records or not path.exists():
            return []
        return [{"step": records[-1]["seconds"] / read_out(path)["steps"]}]
