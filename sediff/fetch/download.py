"""One file: fetched into `<name>.part`, resumed there, renamed when its hash is right."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from sediff.errors import UserError
from sediff.fetch.listing import Entry
from sediff.fetch.server import CUT, Server, UnavailableError, reason_of
from sediff.files import sha256_file
from sediff.progress import log_line

CHUNK = 1 << 16
TRIES = 5  # in a row without a new byte
FIRST_PAUSE = 1.0  # seconds; each next pause is twice as long
PATIENCE = 600.0  # seconds that a server may ask to wait
WORTH_A_LINE = 5.0  # seconds


class StoppedError(Exception):
    """The run ends; this file is left for the next one."""


class CorruptError(Exception):
    """The server gave other bytes than its listing promises, twice."""


def download(server: Server, entry: Entry, target: Path, stop: Event) -> None:
    """Fetch a file and verify it; what another run left of it is gone on with.

    Raises:
        CorruptError, AbsentError, UnavailableError: the file cannot be had.
        RefusedError: the server wants a user.
        StoppedError: `stop` was set.
        UserError: the server asks for a long wait.
    """
    part = part_of(target)
    for _ in range(2):
        fill(server, entry.path, part, stop)
        if sha256_file(part) == entry.digest:
            part.replace(target)
            return
        part.unlink()
    raise CorruptError("its SHA-256 is not the listed one, twice")


def part_of(target: Path) -> Path:
    """Where a file grows."""
    return target.with_name(f"{target.name}.part")


def fill(server: Server, path: str, part: Path, stop: Event) -> None:
    """Fetch what is missing of `part`; a lost connection is tried again for as long as bytes come.

    Raises:
        AbsentError, UnavailableError, RefusedError, StoppedError, UserError: as `download`.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    tries, furthest = 0, _size(part)
    while True:
        try:
            _transfer(server, path, part, stop)
            return
        except UnavailableError as error:
            tries, furthest = (1, _size(part)) if _size(part) > furthest else (tries + 1, furthest)
            if tries >= TRIES:
                raise
            pause = FIRST_PAUSE * 2 ** (tries - 1) if error.wait is None else error.wait
            _rest(server, path, str(error), pause, stop.wait)


def _rest(server: Server, path: str, reason: str, pause: float, wait: Callable[[float], bool]) -> None:
    if pause > PATIENCE:
        raise UserError(f"{server.host} asks to wait {pause:.0f} s: run the same command after that, and it goes on.")
    if pause >= WORTH_A_LINE:
        log_line(f"{path}: {reason}; again in {pause:.0f} s")
    if wait(pause):
        raise StoppedError


def _transfer(server: Server, path: str, part: Path, stop: Event) -> None:
    offset = _size(part)
    with server.get(path, offset) as response:
        if response.status_code == 416:  # nothing is left; the hash tells whether that is right
            return
        resumed = response.status_code == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            part.unlink(missing_ok=True)
            raise UnavailableError("the server sends another range than it was asked for")
        with part.open("ab" if resumed else "wb") as stream:
            try:
                for data in response.raw.stream(CHUNK, decode_content=False):
                    if stop.is_set():
                        raise StoppedError
                    stream.write(data)
            except CUT as error:
                raise UnavailableError(reason_of(error)) from None


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
