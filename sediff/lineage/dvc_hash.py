"""DVC's own hashes, recomputed: MD5 of a file, and of a folder as the list of its files; DVC's cache, read."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WORKERS = 4  # threads; hashing gives the interpreter free
IGNORED = "__pycache__"  # as .dvcignore says
FOLDER = ".dir"  # ends the hash of a folder


def md5_file(path: Path) -> str:
    """MD5 of a file's bytes, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def files_of(path: Path) -> dict[str, Path]:
    """The files of a folder by their paths relative to it; of a file itself, under the name ""."""
    if not path.is_dir():
        return {"": path} if path.is_file() else {}
    found = (file for file in path.rglob("*") if file.is_file() and IGNORED not in file.parts)
    return {file.relative_to(path).as_posix(): file for file in found}


def md5_files(files: Mapping[str, Path]) -> dict[str, str]:
    """MD5 of each file, several at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(files, pool.map(md5_file, files.values()), strict=True))


def md5_of(listing: Mapping[str, str]) -> str:
    """The hash that DVC gives to a file or a folder with these files: its own, or that of their sorted list."""
    if list(listing) == [""]:
        return listing[""]
    return hashlib.md5(listing_text(listing).encode(), usedforsecurity=False).hexdigest() + FOLDER


def listing_text(listing: Mapping[str, str]) -> str:
    """What DVC writes down of a folder with these files and hashes."""
    return json.dumps([{"md5": md5, "relpath": name} for name, md5 in sorted(listing.items())], sort_keys=True)


class Cache:
    """DVC's cache of a working tree, where it has what was recorded."""

    def __init__(self, root: Path) -> None:
        from dvc.config import Config  # slow to import, and stages hash without it

        own = root / ".dvc"
        said = Config(str(own), validate=False)["cache"].get("dir")  # a user's own settings may name it too
        self.folder = (Path(said) if said else own / "cache") / "files/md5"

    def path(self, md5: str) -> Path:
        """Where the object with this hash is, or would be."""
        return self.folder / md5[:2] / md5[2:]

    def listing(self, md5: str) -> dict[str, str] | None:
        """The files of a folder as they were recorded, with their hashes; None where the cache does not tell."""
        found = self.intact(md5)
        if found is None:
            return None
        return {entry["relpath"]: entry["md5"] for entry in json.loads(found.read_text(encoding="utf-8"))}

    def intact(self, md5: str) -> Path | None:
        """The object with this hash; None where it is missing or is not what its name says."""
        path = self.path(md5)
        return path if path.is_file() and md5_file(path) == md5.removesuffix(FOLDER) else None


def listing_of(recorded: str, listings: Iterable[Mapping[str, str]]) -> dict[str, str] | None:
    """The first listing that has a recorded hash, which proves it."""
    return next((dict(listing) for listing in listings if listing and md5_of(listing) == recorded), None)
