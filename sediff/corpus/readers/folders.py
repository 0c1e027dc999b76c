"""Headers in a folder and the folders below it, and the readers of layouts in which headers say all."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sediff.corpus.readers.base import RawRecord, Reader, Rejection
from sediff.corpus.readers.comments import split_lines
from sediff.corpus.readers.tables import inside


class FolderReader(Reader):
    """Reads every header below a folder; each record is a patient, its id the path.

    Attributes:
        folder: below the root, where the recordings lie.
    """

    folder: ClassVar[str] = ""

    def records(self) -> Iterator[RawRecord | Rejection]:
        """See `Reader.records`."""
        for found in find_headers(self.name, self.root, self.folder):
            if isinstance(found, Rejection):
                yield found
                continue
            record_id = f"{self.name}/{found.relative_to(self.folder).as_posix()}"
            yield self.described(record_id, found, *split_lines(self.read(f"{found.as_posix()}.hea")))

    @abstractmethod
    def described(self, record_id: str, path: Path, lines: list[str], comments: list[str]) -> RawRecord:
        """The record that a header describes by its lines and comments; both are empty where it cannot be read."""


def find_headers(source: str, root: Path, folder: str = "") -> Iterator[Path | Rejection]:
    """Each `.hea` below `root/folder`, sorted by folder and name, without suffix and relative to `root`.

    Links to folders are not followed, and links that lead out of `root` are refused, each with a rejection.
    """
    real_root = root.resolve()
    failures: list[OSError] = []
    for here, folders, names in os.walk(root / folder, onerror=failures.append):
        folders.sort()
        base = Path(here).relative_to(root)
        for name in folders:
            if (Path(here) / name).is_symlink():
                yield _reject(source, "unsafe_path", base / name, "a link to a folder, which is not followed")
        for name in sorted(names):
            if not name.endswith(".hea") or name == ".hea":
                continue
            path = base / name
            try:
                inside(path.as_posix())
            except ValueError as error:
                yield _reject(source, "unsafe_path", path, str(error))
                continue
            if (root / path).is_symlink() and not _resolves_inside(root / path, real_root):
                yield _reject(source, "unsafe_path", path, "a link that leads out of the folder, or nowhere")
                continue
            yield path.with_suffix("")
    for failure in failures:
        path = Path(os.fspath(failure.filename)).relative_to(root)
        yield _reject(source, "unreadable_folder", path, failure.strerror or type(failure).__name__)


def first_header(root: Path) -> Path | None:
    """Any header below the folder, without suffix and relative to it."""
    return next((found for found in find_headers("", root) if isinstance(found, Path)), None)


def _resolves_inside(path: Path, real_root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(real_root)
    except (OSError, RuntimeError):  # a circle of links
        return False


def _reject(source: str, reason: str, path: Path, detail: str) -> Rejection:
    """Names that are not UTF-8 are written with their bytes in \\x.., since a table takes UTF-8 only."""
    name = path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Rejection(source, f"{source}/{name}", name, reason, detail)
