"""`sediff pin-judges`: make the judges of the last run those of every later one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sediff.encoder.patients import TRAINING, Training
from sediff.encoder.pinned import FILES, PINNED, judges_hash, load_judges
from sediff.errors import UserError
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.graph import ask_dvc
from sediff.pseudonyms import FILE, read_pseudonyms

OWN = Path(".sediff")  # on the same disk, ignored by git and DVC


def pin_judges(root: Path, made: Path) -> list[str]:
    """Put the judges into `judges/`, add them to DVC, write their hash to `encoder.judges.pinned`; say what to commit.

    Raises:
        UserError: there are no judges yet or they cannot be loaded, `judges/` holds something else, there is no key
            for the pseudonyms of their patients, or DVC cannot work here. What was pinned before is as it was.
    """
    found = judges_hash(root / made)
    folder = root / PINNED
    params = Params.load(root / PARAMS)
    before = params.encoder
    if before.judges.pinned == found and not before.retrain and folder.is_dir() and judges_hash(folder) == found:
        return [f"judges {found[:12]} are pinned already"]
    _require_own(folder)
    (root / OWN).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / OWN, prefix="pin-") as scratch:
        copy = Path(scratch) / "new"
        copy.mkdir()
        for name in FILES:
            shutil.copyfile(root / made / name, copy / name)
        _require_sound(copy, made)
        _training(root, made, params).write(copy)
        with _replaced(folder, copy, Path(scratch) / "old"):
            ask_dvc(root, lambda repo: repo.add([str(folder)]))
            lines = set_params(root / PARAMS, [f"encoder.judges.pinned={found}", "encoder.retrain=false"])
    return [*lines, f"commit {PARAMS} and {PINNED}.dvc, and `dvc push {PINNED}.dvc` where there is a remote"]


def _require_own(folder: Path) -> None:
    """Refuse to replace a folder that pinning did not write."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or (names and TRAINING not in names):
        raise UserError(f"{folder} is no folder of pinned judges: move it away, and pin again.")
    if others := sorted(names - {*FILES, TRAINING}):
        raise UserError(f"{folder} holds {others[0]}, which is no judge's: move it away, and pin again.")


def _require_sound(copy: Path, made: Path) -> None:
    """Refuse judges that a later run could not load."""
    try:
        load_judges(copy)
    except UserError:
        raise UserError(
            f"{made} holds judges that cannot be loaded: `dvc checkout {made}`, or run encoder@judges again."
        ) from None


def _training(root: Path, made: Path, params: Params) -> Training:
    """Whom they were trained on, as it may leave."""
    training = Training.read(root / made)
    if training.pseudonym_key:
        return training
    restricted = {*training.restricted, *params.restricted}
    return training.published(read_pseudonyms(restricted, params.pseudonyms.key, root / FILE))


@contextmanager
def _replaced(folder: Path, new: Path, old: Path) -> Iterator[None]:
    """Put `new` in the place of a folder and of what DVC knows of it, until the block ends; else all is as before."""
    entry = folder.with_name(f"{folder.name}.dvc")
    said = entry.read_bytes() if entry.is_file() else None
    if folder.is_dir():
        folder.rename(old)
    try:
        new.rename(folder)
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if old.is_dir():
            old.rename(folder)
        entry.unlink(missing_ok=True)
        if said is not None:
            entry.write_bytes(said)
        raise
