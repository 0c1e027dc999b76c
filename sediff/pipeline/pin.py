"""`sediff pin-judges`: make the judges of the last run those of every later one."""

import shutil
from pathlib import Path

from sediff.encoder.pinned import FILES, PINNED, judges_hash
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.graph import ask_dvc


def pin_judges(root: Path, made: Path) -> list[str]:
    """Copy the judges to `judges/`, add them to DVC, write their hash to `encoder.judges.pinned`; say what to commit.

    Raises:
        UserError: there are no judges yet, or another command of DVC works here.
    """
    found = judges_hash(root / made)
    folder = root / PINNED
    before = Params.load(root / PARAMS).encoder
    if before.judges.pinned == found and not before.retrain and folder.is_dir() and judges_hash(folder) == found:
        return [f"judges {found[:12]} are pinned already"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in FILES:
        shutil.copyfile(root / made / name, folder / name)
    ask_dvc(root, lambda repo: repo.add([str(folder)]))
    lines = set_params(root / PARAMS, [f"encoder.judges.pinned={found}", "encoder.retrain=false"])
    return [*lines, f"commit {PARAMS} and {PINNED}.dvc, and `dvc push {PINNED}.dvc` where there is a remote"]
