"""Whether the files of an embedded index are as they were left.

Chroma maps its vectors' files as they are, and the process ends where they are damaged. So what a whole index consists
of is noted in `files.json`: what it holds, and of each file size, time and SHA-256. A file of the same size and time is
taken for the same; another is read. Chroma writes to its SQLite file at each opening, so the note is written after it.
"""

import shutil
from pathlib import Path
from typing import Any

from chromadb.api.shared_system_client import SharedSystemClient

from sediff.files import read_json, sha256_file, write_json
from sediff.progress import log_line

NOTE = "files.json"
DATABASE, SEGMENTS = "chroma.sqlite3*", "????????-????-????-????-????????????"  # a file, and folders of vectors


class IndexFiles:
    """The files of the index in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._note = folder, folder / NOTE

    def are_whole(self, digest: str) -> bool:
        """Whether they are an index of this hash, as it was left; says so where there is one and it is damaged."""
        note, paths = self._read(), self._paths()
        if note is None:
            if paths:
                log_line(f"knowledge: what {self._folder} holds is no whole index, which is built again")
            return False
        if note["holds"] != digest:
            return False
        known = note["files"]
        changed = (name for name in sorted({*known, *paths}) if not self._is_same(name, known.get(name)))
        damaged = next(changed, None)
        if damaged is not None:
            log_line(f"knowledge: {self._folder / damaged} is not as it was left, so the index is built again")
        return damaged is None

    def note(self, digest: str) -> None:
        """Note the files as those of a whole index of this hash; what has not changed is not read again."""
        known = (self._read() or {"files": {}})["files"]
        files = {name: self._entry(path, known.get(name)) for name, path in self._paths().items()}
        write_json(self._note, {"holds": digest, "files": files})

    def remove(self) -> None:
        """Remove the index."""
        self._note.unlink(missing_ok=True)
        for path in self._folder.glob(SEGMENTS):
            shutil.rmtree(path)
        for path in self._folder.glob(DATABASE):
            path.unlink()
        self._forget_client()

    def _forget_client(self) -> None:
        """Have Chroma open the folder anew, since what is open there is removed; it keeps what is open by folder.

        `_release_system` would keep it as long as any client counts, and `clear_system_cache` forgets other folders.
        """
        opened = str(self._folder.resolve())
        with SharedSystemClient._refcount_lock:
            SharedSystemClient._identifier_to_system.pop(opened, None)
            SharedSystemClient._identifier_to_refcount.pop(opened, None)

    def _paths(self) -> dict[str, Path]:
        paths = (*self._folder.glob(DATABASE), *self._folder.glob(f"{SEGMENTS}/*"))
        return {path.relative_to(self._folder).as_posix(): path for path in paths}

    def _is_same(self, name: str, known: dict[str, Any] | None) -> bool:
        path = self._folder / name
        return known is not None and path.is_file() and self._entry(path, known)["sha256"] == known["sha256"]

    @staticmethod
    def _entry(path: Path, known: dict[str, Any] | None) -> dict[str, Any]:
        """A file's size, time and hash; that hash which is known, where size and time are."""
        status = path.stat()
        entry = {"size": status.st_size, "time_ns": status.st_mtime_ns}
        same = known is not None and entry.items() <= known.items()
        return entry | {"sha256": known["sha256"] if known and same else sha256_file(path)}

    def _read(self) -> dict[str, Any] | None:
        """The note; None where there is none that can be read."""
        try:
            note = read_json(self._note)
            valid = isinstance(note["holds"], str) and all("sha256" in known for known in note["files"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return note if valid else None
