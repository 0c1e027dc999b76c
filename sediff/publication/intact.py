"""Whether what a version consists of is what its hashes say: in DVC's cache, at its remote, and where it was restored.

DVC takes an object that is read-only, and one that a remote has under the right name, for whole.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from sediff.errors import UserError
from sediff.files import replacing
from sediff.lineage.dvc_hash import FOLDER, Cache, files_of, listing_text, md5_files, md5_of
from sediff.lineage.graph import recorded_stages
from sediff.lineage.verify import added
from sediff.pipeline.remote import remote_calls
from sediff.publication.store import Lock, RemoteSilentError, bring_out, drop_damaged, outs_of

Say = Callable[[str], None]
Objects = Mapping[str, Path]  # hashes, each with its place in the working tree; a folder's listing has the folder's
READ_ONLY = 0o444  # as DVC protects what it keeps
PLAIN = re.compile(r"[0-9a-f]{32}")  # an ETag of S3 that is an MD5: what came in parts, or encrypted, has others


@dataclass(frozen=True)
class Outs:
    """What a working tree's outs consist of.

    Attributes:
        folder: the working tree.
        cache: DVC's cache of it.
        objects: all of them.
        new: hashes of those that the last version does not have; only these are read again.
    """

    folder: Path
    cache: Cache
    objects: Objects
    new: frozenset[str]

    @classmethod
    def of(cls, folder: Path, published: Lock, say: Say) -> "Outs":
        """Those of a working tree, whose folders' listings are made intact first.

        Args:
            published: dvc.lock of the last version.

        Raises:
            UserError: a listing is damaged, and cannot be had again.
        """
        cache = Cache(folder)
        recorded = outs_of({"stages": recorded_stages(folder)}) | {out["path"]: out["md5"] for out in added(folder)}
        places = {md5: folder / path for path, md5 in recorded.items()}
        folders = {md5: place for md5, place in places.items() if md5.endswith(FOLDER)}
        cls(folder, cache, folders, frozenset()).mend(folders, say)
        objects = dict(places)
        for md5 in folders:
            objects |= {own: places[md5] / name for name, own in (cache.listing(md5) or {}).items()}
        before = set[str]()
        for md5 in outs_of(published).values():
            before |= {md5, *((cache.listing(md5) or {}).values() if md5.endswith(FOLDER) else ())}
        return cls(folder, cache, objects, frozenset(objects.keys() - before))

    def mend(self, hashes: Iterable[str], say: Say) -> None:
        """See that objects in the cache are what their names say; others are made from the working tree, or fetched.

        Raises:
            UserError: some can be had from neither; what there was of them is removed, so that a stage makes them anew.
        """
        lost = []
        for md5 in sorted(hashes):
            if self.cache.intact(md5) is not None:
                continue
            name = self.objects[md5].relative_to(self.folder)
            if how := self._again(md5):
                say(f"{name} was damaged in DVC's cache: {how}")
            else:
                _remove(self.objects[md5])
                lost.append(str(name))
        if lost:
            raise UserError(
                f"Damaged in DVC's cache, and to be had neither from {self.folder} nor from the remote: "
                f"{', '.join(lost)}; removed, so refresh again, and the stage makes it anew."
            )

    def _again(self, md5: str) -> str:
        """Put an object into the cache again, and say how; "" where that cannot be done."""
        path, place = self.cache.path(md5), self.objects[md5]
        path.unlink(missing_ok=True)
        files = md5_files(files_of(place))
        if files and md5_of(files) == md5:
            with replacing(path) as temporary:
                if md5.endswith(FOLDER):
                    temporary.write_text(listing_text(files), encoding="utf-8")
                else:
                    shutil.copyfile(place, temporary)
                temporary.chmod(READ_ONLY)
            return "made again from the working tree"
        _fetch(self.folder, self.cache, md5)
        if self.cache.intact(md5) is not None:
            return "fetched from DVC's remote"
        path.unlink(missing_ok=True)
        return ""

    def push(self, repo: Repo, say: Say) -> str:
        """Send what DVC's default remote lacks, and put right what it has and is not intact.

        What the last version has is there already, and looked at by its size alone; of the rest the content is read
        where the remote is a folder, and told by the ETag where it speaks S3. Not checked beyond their sizes: objects
        that S3 took in parts or encrypted, and remotes of other kinds; one that cannot list what it has, by DVC alone.

        Returns:
            What did not arrive; "" if all is there.

        Raises:
            RemoteError: a call to the remote failed.
            UserError: see `mend`.
        """
        with remote_calls():
            remote = repo.cloud.get_remote()
        there = _there(remote)
        sent = self.new | {md5 for md5 in self.objects if there is not None and not self._has_size(there.get(md5), md5)}
        self.mend(sent, say)
        with remote_calls():
            repo.push()
        for replace in (True, False):
            there = _there(remote)
            if there is None:
                return ""
            wrong = [md5 for md5 in sorted(sent) if not self._is_right(remote, there, md5)]
            for md5 in wrong if replace else ():
                how = "was damaged" if md5 in there else "was missing"
                say(f"{self.objects[md5].relative_to(self.folder)} {how} at DVC's remote: sent again")
                with remote_calls():
                    remote.fs.put_file(str(self.cache.path(md5)), remote.odb.oid_to_path(md5))
        return str(self.objects[wrong[0]].relative_to(self.folder)) if wrong else ""

    def _has_size(self, found: Mapping[str, Any] | None, md5: str) -> bool:
        path = self.cache.path(md5)
        return found is not None and (not path.is_file() or found["size"] == path.stat().st_size)

    def _is_right(self, remote: Any, there: Mapping[str, Mapping[str, Any]], md5: str) -> bool:
        found = there.get(md5)
        if found is None or not self._has_size(found, md5):
            return False
        tag, wanted = str(found.get("ETag", "")).strip('"'), md5.removesuffix(FOLDER)
        if tag == wanted or not (remote.fs.protocol == "local" or PLAIN.fullmatch(tag)):
            return True
        # An encrypted object's ETag is another hash
        with remote_calls(), remote.fs.open(remote.odb.oid_to_path(md5), "rb") as stream:
            return hashlib.file_digest(stream, "md5").hexdigest() == wanted


def _there(remote: Any) -> dict[str, Mapping[str, Any]] | None:
    """What a remote has by hash, with size and ETag; None where it cannot list."""
    with remote_calls():
        folder, fs = remote.odb.path, remote.fs.fs
        try:
            fs.invalidate_cache()
            found = fs.find(folder, detail=True) if fs.exists(folder) else {}
        except NotImplementedError:
            return None
        if not isinstance(found, dict):  # DVC's own file system gives names only
            found = {path: fs.info(path) for path in found}
    return {"".join(path.rsplit("/", 2)[1:]): info for path, info in found.items()}


def reject_restored(root: Path, stage: str) -> list[str]:
    """Outs of a stage that DVC took from its cache and that are not what dvc.lock says.

    They are removed, here and in the cache, which gets from the remote what that has intact: whoever runs the stage
    once more has them restored from there, or made again.
    """
    cache, rejected = Cache(root), []
    for out in recorded_stages(root)[stage].get("outs", ()):
        path, md5 = out["path"], out["md5"]
        if md5_of(md5_files(files_of(root / path))) == md5:
            continue
        drop_damaged(cache, md5)
        _fetch(root, cache, md5)
        drop_damaged(cache, md5)  # what came may be no better
        _remove(root / path)
        rejected.append(path)
    return rejected


def _fetch(root: Path, cache: Cache, md5: str) -> None:
    with suppress(RemoteSilentError):  # or it is a folder that is not there yet: a stage makes it anew
        bring_out(root, cache, md5)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
