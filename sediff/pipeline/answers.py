"""What DVC knows of answers of language models: those of the last out, and those that a remote keeps."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
from dvc.config import NoRemoteError
from dvc.repo import Repo
from dvc_data.index import DataIndexError

from sediff.errors import UserError
from sediff.knowledge.answers import FILE, NAME, SUFFIX, AnswerStore, read_export
from sediff.pipeline.graph import ask_dvc
from sediff.pipeline.remote import RemoteError, remote_calls
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
    return ask_dvc(root, lambda repo: _with_remote(repo, lambda remote: _push(store, remote)))


def pull_answers(store: AnswerStore, root: Path = Path()) -> str:
    """Take answers that are missing or damaged here from DVC's default remote; damaged ones there are left out.

    Raises:
        UserError: there is no remote, or it does not work.
    """
    return ask_dvc(root, lambda repo: _with_remote(repo, lambda remote: _pull(store, remote)))


class _Remote:
    """The folder of answers at a remote; each of its methods raises `RemoteError`."""

    def __init__(self, remote: Any) -> None:
        with remote_calls():
            self._fs = remote.fs
        self.folder = self._fs.join(remote.path, FOLDER)

    def keys(self) -> set[str]:
        """Those of the answers that are there."""
        with remote_calls():
            try:
                found = self._fs.ls(self.folder, detail=False)
            except FileNotFoundError:
                return set()
        names = (path.rstrip("/").rpartition("/")[2] for path in found)
        return {name.removesuffix(SUFFIX) for name in names if NAME.fullmatch(name)}

    def make(self) -> None:
        """Make the folder, as far as it is not there."""
        with remote_calls():
            self._fs.makedirs(self.folder, exist_ok=True)

    def put(self, key: str, path: Path) -> None:
        """Copy a file there."""
        with remote_calls():
            self._fs.put_file(str(path), self._path(key))

    def read(self, key: str) -> bytes:
        """The content of an answer's file."""
        with remote_calls(), self._fs.open(self._path(key), "rb") as stream:
            content: bytes = stream.read()
            return content

    def _path(self, key: str) -> str:
        path: str = self._fs.join(self.folder, key + SUFFIX)
        return path


def _with_remote(repo: Repo, work: Callable[[_Remote], str]) -> str:
    try:
        remote = repo.cloud.get_remote(command="push")
    except NoRemoteError:
        raise UserError(
            "No default DVC remote is configured: `dvc remote add -d NAME URL` says where answers are kept."
        ) from None
    try:
        return work(_Remote(remote))
    except RemoteError as fault:
        raise UserError(f"DVC remote {remote.name} does not work ({fault.name}): check it.") from None


def _push(store: AnswerStore, remote: _Remote) -> str:
    there = remote.keys()
    keys = [key for key in store.list_keys() if key not in there]
    good = [key for key in keys if store.intact(key)]
    remote.make()
    _each(lambda key: remote.put(key, store.path(key)), good, "answers: push")
    return f"{len(good)} answers pushed to {remote.folder}, {len(there)} were there{_left(len(keys) - len(good))}"


def _pull(store: AnswerStore, remote: _Remote) -> str:
    there = remote.keys()
    missing = sorted(key for key in there if not store.intact(key))

    def take(key: str) -> bool:
        content = remote.read(key)
        try:
            return store.add(key, content.decode())
        except ValueError:
            return False

    taken = sum(_each(take, missing, "answers: pull"))
    here = len(there) - len(missing)
    return f"{taken} answers pulled from {remote.folder}, {here} were here{_left(len(missing) - taken)}"


def _each(work: Callable[[str], Any], keys: Iterable[str], label: str) -> list[Any]:
    keys = list(keys)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(track(pool.map(work, keys), len(keys), label))


def _left(damaged: int) -> str:
    return f"; {damaged} left out, being damaged" if damaged else ""
