"""`sediff fetch`: a corpus into a folder, whole or in part, so that a rerun brings only what is missing."""

import errno
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from sediff.errors import UserError
from sediff.fetch.corpora import Corpus
from sediff.fetch.download import CorruptError, download, fill, part_of
from sediff.fetch.listing import LISTING, Entry, count_wanted, read_listing, wanted
from sediff.fetch.parallel import in_threads
from sediff.fetch.server import AbsentError, RefusedError, Server, UnavailableError
from sediff.fetch.verified import Verified, verified_files
from sediff.files import sha256_file
from sediff.progress import log_line, track

UNLISTED = "-"  # in place of the hash of the listing, which nothing lists
NAMED = 10  # files that the last sentence names; each has had its own line before
LOST = 8  # files in a row that could not be reached before a run gives up


@dataclass(frozen=True)
class Outcome:
    """What became of a file: its size and time once it is there and verified, or why it is left out."""

    entry: Entry
    stat: os.stat_result | None
    fetched: bool = False
    reason: str = ""
    unreachable: bool = False


def fetch(corpus: Corpus, folder: Path, only: Sequence[str], verify: bool, connections: int, base_url: str) -> str:
    """Complete a folder's copy of a corpus, and say what is there and what to do next.

    Raises:
        UserError: a file could not be had or verified, nobody is admitted, or the folder cannot be written.
    """
    server = Server(corpus, base_url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with verified_files(folder, corpus) as verified:
            copy = Copy(server, folder, verified, verify)
            try:
                return copy.complete(only, connections)
            except RefusedError:
                server.sign_in()
            try:
                return copy.complete(only, connections)
            except RefusedError as refused:
                raise server.refusal(refused) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: the disk is full; free some space and run again, and it goes on.") from None
        raise UserError(f"{error.filename or folder} cannot be written or read: {error.strerror}.") from None


@dataclass(frozen=True)
class Copy:
    """A folder, and the server that it is completed from."""

    server: Server
    folder: Path
    verified: Verified
    verify: bool

    def complete(self, only: Sequence[str], connections: int) -> str:
        """Fetch what is missing or wrong.

        Raises:
            RefusedError: the server wants a user.
            UserError: a file could not be had or verified.
        """
        listing, source = self._listing(), f"{self.server.address}{LISTING}"
        total = count_wanted(read_listing(listing, source), only, source)
        entries = (entry for entry in read_listing(listing, source) if wanted(entry, only))
        stop = Event()
        outcomes = in_threads(lambda entry: self._settle(entry, stop), entries, connections, stop)
        fetched, size, lost, left_out = 0, 0, 0, []
        for outcome in track(outcomes, total, f"fetch of {self.server.corpus.name}: files"):
            if outcome.stat:
                self.verified.add(outcome.entry, outcome.stat)
                fetched, size, lost = fetched + outcome.fetched, size + outcome.stat.st_size, 0
                continue
            log_line(f"{outcome.entry.path} is left out: {outcome.reason}")
            left_out.append(outcome.entry.path)
            lost = lost + 1 if outcome.unreachable else 0
            if lost >= LOST:
                raise UserError(f"{self.server.host}: {outcome.reason}; run the same command later, and it goes on.")
        if left_out:
            raise UserError(self._missing(left_out, total))
        return self._summary(total, fetched, size)

    def _listing(self) -> Path:
        """The listing, kept in the copy as PhysioNet has it; a known one is fetched again only to verify."""
        path, entry = self.folder / LISTING, Entry(LISTING, UNLISTED)
        if not self.verify and path.is_file() and self.verified.holds(entry, path.stat()):
            return path
        source, part = f"{self.server.address}{LISTING}", part_of(path)
        part.unlink(missing_ok=True)  # nothing would tell whether its rest fits
        try:
            fill(self.server, LISTING, part, Event())
        except (AbsentError, UnavailableError) as error:
            raise UserError(f"{source} cannot be fetched, {error}: check the network and --base-url.") from None
        count_wanted(read_listing(part, source), (), source)
        part.replace(path)
        self.verified.add(entry, path.stat())
        return path

    def _settle(self, entry: Entry, stop: Event) -> Outcome:
        """Make sure of one file."""
        target = self.folder / entry.path
        if target.is_file():
            stat = target.stat()
            known = not self.verify and self.verified.holds(entry, stat)
            if known or sha256_file(target) == entry.digest:
                return Outcome(entry, stat)
        try:
            download(self.server, entry, target, stop)
        except (CorruptError, AbsentError) as error:
            return Outcome(entry, None, reason=str(error))
        except UnavailableError as error:
            return Outcome(entry, None, reason=str(error), unreachable=True)
        return Outcome(entry, target.stat(), fetched=True)

    def _missing(self, left_out: Sequence[str], total: int) -> str:
        names = ", ".join(left_out[:NAMED]) + (f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else "")
        return (
            f"{len(left_out)} of {total} files of {self.server.corpus} are left out: {names}; the others are in "
            f"{self.folder}, and running again tries these only."
        )

    def _summary(self, total: int, fetched: int, size: int) -> str:
        corpus = self.server.corpus
        line = f"{corpus}: {total} files ({size / 1e6:,.0f} MB) in {self.folder}, {fetched} fetched now, all verified"
        return f"{line}; next: sediff configure --corpus {shlex.quote(str(self.folder))}"
