"""SHA256SUMS of a folder, as `sha256sum -c` reads them."""

import os
from collections.abc import Iterator
from pathlib import Path

from sediff.files import replacing, sha256_file

FILE = "SHA256SUMS"
LEFT_OUT = frozenset({FILE, "manifest.json"})  # the manifest is the pipeline's own, written after


def write_checksums(folder: Path) -> None:
    """Hash every file below `folder` that is not hidden, in the order of paths; the list is written as it grows."""
    with replacing(folder / FILE) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for path in _files(folder):
            stream.write(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n")


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not (Path(root) == folder and name in LEFT_OUT):
                yield Path(root) / name
