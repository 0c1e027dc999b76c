"""What `sediff study` does: cells of the studies of usefulness in the clone's own data."""

from collections.abc import Callable
from pathlib import Path

from flows.computing import computing
from flows.stage import DATA, OWN, REPORTS, read_records
from sediff.cells.written import write_table
from sediff.errors import UserError
from sediff.params import Params
from sediff.study.cell import Cell, cells_of
from sediff.study.deep import work_of
from sediff.study.own_bench import OwnBench
from sediff.study.plan import Plan
from sediff.study.queue import Pace, cost, lines, paces_of, run
from sediff.study.table import table
from sediff.vocabulary import Vocabulary

CELLS, WORK = REPORTS / "study", OWN / "work/study"
TABLES = REPORTS / "tables"


class Studies:
    """The cells that were chosen.

    Args:
        generators: clones whose synthetic records are used, as `STUDY=CLONE` or, for the other studies, `CLONE`; this
            one's by default, but for a study whose class must be asked for.

    Raises:
        UserError: there is no such study or arm, or what all cells share has not been made.
    """

    def __init__(
        self, studies: list[str], arms: list[str], seeds: list[int], steps: int | None, generators: list[str]
    ) -> None:
        declared = Plan.load()
        self.plan, self.params = declared if steps is None else declared.trained_for(steps), Params.load()
        self.device, self.described = computing(self.params)
        self.generators = generators_of(self.plan, generators)
        self.cells: list[Cell] = cells_of(Path(), self.plan, self.described, self.generators, studies, arms, seeds)

    def run(self) -> str:
        """Compute what is missing."""
        WORK.mkdir(parents=True, exist_ok=True)
        count = run(self.cells, self._bench(), CELLS)
        self.table()
        return f"{count} cells computed; `sediff study --table` compares them" if count else "all cells were there"

    def listed(self) -> list[str]:
        """The cells and their state."""
        return lines(self.cells, self.plan, CELLS, self._cost())

    def table(self) -> list[str]:
        """The figures in Markdown; those of all declared cells too, run or not, are written for the report."""
        cost = self._cost()
        declared = cells_of(Path(), self.plan, self.described, self.generators, [], [], [])
        every = [*{cell.name: cell for cell in [*declared, *self.cells]}.values()]
        tables = [table(cells, self.plan, CELLS, cost) for cells in (every, self.cells)]
        write_table(TABLES, "study", DATA / "corpus", tables[0])
        return tables[1]

    def left_out(self) -> list[str]:
        """Fold and id of each record that a generator for the one chosen cell must not be trained on.

        Raises:
            UserError: several cells were chosen.
        """
        if len(self.cells) != 1:
            raise UserError("--left-out is of one cell: choose it with --study, --arm and --seed.")
        folds = self._bench().left_out(self.cells[0])
        return [f"{fold} {record_id}" for fold, ids in enumerate(folds) for record_id in ids]

    def _bench(self) -> OwnBench:
        every = self.params.runtime.checkpoint_every
        return OwnBench(DATA, self.generators, WORK, self.plan, Vocabulary.load(), self.device, every)

    def _cost(self) -> Callable[[Cell], float | None]:
        """Minutes of a cell at the pace of those with its classifier; where none ran, by how much more work it does."""
        plain = self._plain_paces()
        paces = {"": plain}
        for name, network in self.plan.networks.items():
            more = work_of(network) / work_of(self.plan.classifier)
            guessed = [{**pace, "step": more * pace["step"]} for pace in plain[:1]]
            paces[name] = paces_of(CELLS, network, self.described) or guessed
        return lambda cell: cost(cell, paces[cell.declared.network])

    def _plain_paces(self) -> list[Pace]:
        """Of cells; where none has run, of the augmentation stage, whose network has one block a level, three arms."""
        paces = paces_of(CELLS, self.plan.classifier, self.described)
        records = [record for record in read_records("augmentation") if record["device"] == self.described]
        if not paces and records:
            stage, classifier = self.params.augmentation, self.plan.classifier
            share = classifier.depth * classifier.width * classifier.batch_size / (stage.width * stage.batch_size)
            return [{"step": records[-1]["seconds"] / (3 * stage.steps) * share}]
        return paces


def generators_of(plan: Plan, named: list[str]) -> dict[str, list[Path]]:
    """`data` folders of the clones that make each study's synthetic records."""
    by_study: dict[str, list[Path]] = {}
    for one in named:
        study, given, clone = one.partition("=")
        if not given or study not in plan.studies:
            study, clone = "", one
        by_study.setdefault(study, []).append(Path(clone) / DATA)
    usual = {name: [] if study.request == "dataset" else [DATA] for name, study in plan.studies.items()}
    return {name: by_study.get(name) or by_study.get("") or own for name, own in usual.items()}
