"""A cell: one arm of a study at one seed, and all that its figures rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sediff.cells.cell import KeptCell, code_of, made
from sediff.lineage.fingerprint import content_hash
from sediff.study.plan import Arm, Plan, Study

# What the figures are computed by, beside the code of the augmentation stage.
OWN = ("bench.py", "classify.py", "closeness.py", "generators.py", "lesson.py", "rows.py", "scores.py")
NEWER = ("deep.py", "own_bench.py", "statements.py", "xresnet.py")  # and of studies with something of their own
BORROWED = ("sediff/evaluation/diversity.py", "sediff/evaluation/privacy.py", "sediff/encoder/judge.py")
APART = {"core", "others", "min_cases", "network"}  # of a study: what does not matter, or stands elsewhere
CORPUS, JUDGES = Path("corpus"), Path("encoder/judges")


@dataclass(frozen=True)
class Cell(KeptCell):
    """One arm of a study at one seed.

    Attributes:
        generators: how many there are to take synthetic records from.
    """

    study: str
    arm: str
    seed: int
    declared: Study
    trained_on: Arm
    rests_on: dict[str, Any]
    generators: int = 1

    @property
    def labels(self) -> dict[str, str]:
        """Its study and its arm."""
        return {"study": self.study, "arm": self.arm}

    @property
    def origin(self) -> dict[str, Any]:
        """What its figures rest on."""
        return {"rests_on": self.rests_on}

    @property
    def lacks(self) -> str:
        """Generators, one, or one a fold, that were not trained on those whom it tests."""
        folds = self.declared.folds
        if self.trained_on.synthetic == "none" or self.generators == max(1, folds):
            return ""
        if not folds and self.generators:
            return f"takes one `--generator`, not {self.generators}"
        if not folds:
            return "needs a generator trained without the cases left out, asked for some: `--generator`, `--left-out`"
        return f"needs {folds} generators, the k-th trained without fold k: `--generator`, `--left-out`"


def cells_of(
    root: Path,
    plan: Plan,
    device: dict[str, str],
    generators: Mapping[str, Sequence[Path]],
    studies: list[str],
    arms: list[str],
    seeds: list[int],
) -> list[Cell]:
    """The cells of a plan in the order in which they are run.

    Args:
        root: of the clone; device: all about it that numbers depend on.
        generators: by study the `data` folders of the clones whose synthetic records are used.

    Raises:
        UserError: what all cells share has not been made yet.
    """
    shared = {"corpus": made(root / "data" / CORPUS), "judges": made(root / "data" / JUDGES)}
    code = code_of(root, "augmentation") | {name: content_hash(root / name) for name in BORROWED}
    own, newer = ({name: content_hash(root / "sediff/study" / name) for name in names} for names in (OWN, NEWER))
    code |= own
    cells = []
    for name, arm, seed in plan.chosen(studies, arms, seeds):
        study, trained_on = plan.studies[name], plan.arms[arm]
        uses = study.equal or trained_on.synthetic != "none"
        synthetic = [[made(data / CORPUS), made(data / study.synthetic)] for data in generators[name]] if uses else []
        rests_on = {
            "study": study.model_dump(mode="json", exclude=APART),
            "arm": trained_on.model_dump(mode="json"),
            **plan.model_dump(mode="json", include={"bootstraps", "compared"}),
            "classifier": plan.classifier_of(name).model_dump(mode="json"),
            "min_cases": plan.min_cases_of(name),
            "seed": seed,
            "inputs": shared | ({"synthetic": synthetic} if uses else {}),
            "code": code | newer if study.has_own else code,
            "device": device,
        }
        cells.append(Cell(name, arm, seed, study, trained_on, rests_on, len(generators[name])))
    return cells
