"""Objects of DVC's caches and remotes, for tests that damage them."""

from pathlib import Path

import pytest

from sediff.lineage.dvc_hash import FOLDER, md5_file


def damage(path: Path) -> None:
    """Change an object's bytes, and neither its length nor its permissions, by which DVC knows what is whole."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    path.chmod(0o444)


def at_remote(remote: Path, md5: str) -> Path:
    """Where a remote that is a folder has an object."""
    return remote / "files/md5" / md5[:2] / md5[2:]


def wrong(place: Path) -> list[Path]:
    """Objects of a cache or a remote that are not what their names say."""
    files = [path for path in (place / "files/md5").rglob("*") if path.is_file()]
    assert files
    return [path for path in files if md5_file(path) != "".join(path.parts[-2:]).removesuffix(FOLDER)]


def fill(disk: Path) -> None:
    """Leave nothing free on a disk."""
    with pytest.raises(OSError, match="No space left"), (disk / "filled").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
