"""What DVC knows of answers of language models: those of the last out, and those that a remote keeps."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.index import DataIndexError

from sediff.errors import UserError
from sediff.knowledge.answers import FILE, NAME, SUFFIX, AnswerStore, read_export
from sediff.pipeline.graph import ask_dvc
from sediff.progress import track

BUDGET, RETRY_FALLBACKS = "SEDIFF_BUDGET", "SEDIFF_RETRY_FALLBACKS"  # of one run, for the stage in its own process
OUT = f"data/knowledge/{FILE}"
FOLDER = "answers"  # of the remote, beside DVC's `files`
AT_ONCE = 16


def seed_answers(store: AnswerStore, root: Path = Path()) -> int | None:
    """Take the answers of the stage's last out, from the folder, DVC's cache or its remote.

    DVC empties the out before the stage runs, so in a fresh clone this is where its answers are.

    Returns:
        How many were new; None where dvc.lock records an out that is in none of these places.

    Raises:
        UserError: the out is damaged.
    """
    return ask_dvc(root, lambda repo: _seed(store, repo))


def _seed(store: AnswerStore, repo: Repo) -> int | None:
    try:
        with repo.dvcfs.open(OUT, "rb") as stream:
            return store.seed(read_export(pa.BufferReader(stream.read())))
    except FileNotFoundError:
        return 0
    except DataIndexError:
        return None
    except (ValueError, pa.ArrowException):
        raise UserError(f"{OUT} is damaged: restore it, or remove it with {store.folder} left as it is.") from None


def push_answers(store: AnswerStore, root: Path = Path()) -> str:
    """Copy answers that DVC's default remote lacks to it; nothing there is overwritten.

    Raises:
        UserError: there is no remote, or it does not work.
    """
    return ask_dvc(root, lambda repo: _with_remote(repo, lambda *remote: _push(store, *remote)))


def pull_answers(store: AnswerStore, root: Path = Path()) -> str:
    """Take answers that are missing or damaged here from DVC's default remote; damaged ones there are left out.

    Raises:
        UserError: there is no remote, or it does not work.
    """
    return ask_dvc(root, lambda repo: _with_remote(repo, lambda *remote: _pull(store, *remote)))


def _with_remote(repo: Repo, work: Callable[[Any, str], str]) -> str:
    try:
        remote = repo.cloud.get_remote(command="push")
    except NoRemoteError:
        raise UserError(
            "No default DVC remote is configured: `dvc remote add -d NAME URL` says where answers are kept."
        ) from None
    folder = remote.fs.join(remote.path, FOLDER)
    try:
        return work(remote.fs, folder)
    except (UserError, DvcException):
        raise
    except Exception as error:  # whatever the remote's own library throws; its text may have credentials
        raise UserError(f"DVC remote {remote.name} does not work ({type(error).__name__}): check it.") from None


def _push(store: AnswerStore, fs: Any, folder: str) -> str:
    there = _names(fs, folder)
    keys = [key for key in store.list_keys() if key not in there]
    good = [key for key in keys if store.intact(key)]
    fs.makedirs(folder, exist_ok=True)

    def put(key: str) -> None:
        fs.put_file(str(store.path(key)), fs.join(folder, key + SUFFIX))

    _each(put, good, "answers: push")
    return f"{len(good)} answers pushed to {folder}, {len(there)} were there{_left(len(keys) - len(good))}"


def _pull(store: AnswerStore, fs: Any, folder: str) -> str:
    there = _names(fs, folder)
    missing = sorted(key for key in there if not store.intact(key))

    with TemporaryDirectory() as scratch:

        def get(key: str) -> bool:
            path = Path(scratch) / key
            fs.get_file(fs.join(folder, key + SUFFIX), str(path))
            try:
                return store.add(key, path.read_text(encoding="utf-8"))
            except ValueError:
                return False
            finally:
                path.unlink()

        taken = sum(_each(get, missing, "answers: pull"))
    return f"{taken} answers pulled from {folder}, {len(there) - len(missing)} were here{_left(len(missing) - taken)}"


def _names(fs: Any, folder: str) -> set[str]:
    """Keys of the answers in a folder of the remote."""
    try:
        found = fs.ls(folder, detail=False)
    except FileNotFoundError:
        return set()
    names = (path.rstrip("/").rpartition("/")[2] for path in found)
    return {name.removesuffix(SUFFIX) for name in names if NAME.fullmatch(name)}


def _each(work: Callable[[str], Any], keys: Iterable[str], label: str) -> list[Any]:
    keys = list(keys)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(track(pool.map(work, keys), len(keys), label))


def _left(damaged: int) -> str:
    return f"; {damaged} left out, being damaged" if damaged else ""
