"""`sediff verify NAME@VERSION`: the signature, and every hash from the version's dataset back to the raw files.

The version's commit is laid out in a folder of its own, its outs as links to DVC's cache, and checked as a working tree
is. What is not here (outs that the cache lacks, raw files of another state of the sources) is named and left out; the
dataset itself is fetched.
"""

import configparser
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

import yaml

from sediff.errors import UserError
from sediff.lineage.dvc_hash import FOLDER, Cache, files_of, md5_files, md5_of
from sediff.lineage.graph import LOADER, recorded_stages
from sediff.lineage.project import Project
from sediff.lineage.stages import INVENTORIES, SETTINGS
from sediff.lineage.verify import Fault, Verdict, added, verify
from sediff.publication.git import git_bytes
from sediff.publication.manifest import DATASET, dataset_hashes, project_hash, read_manifest
from sediff.publication.store import bring_out, outs_of
from sediff.publication.versions import Version, revoked
from sediff.publication.workspace import FOLDER as WORKSPACE
from sediff.sources import Source, SourceParams, locate


def verify_version(root: Path, version: Version, signers: Sequence[str], raw: bool) -> Verdict:
    """Check a published version.

    Args:
        signers: public keys that may sign, as hex; none: any may.
        raw: whether raw files are hashed too.

    Raises:
        UserError: the version is not signed by whom it should be.
    """
    manifest, signed = read_manifest(root, version, signers)
    with laid_out(root, version) as (folder, absent):
        names = git_bytes(root, "ls-tree", "-r", "-z", "--name-only", version.commit).decode().split("\0")
        sources = _sources(root, folder) if raw else []
        left_out = sorted({*absent, *([] if sources else [INVENTORIES])})
        verdict = verify(folder, sources or None, left_out)
        verdict.checked.insert(0, f"manifest: {signed}")
        if version.number in revoked(root, version.name):
            verdict.add(str(version), "is revoked: a patient in it was withdrawn")
        if project_hash(folder, filter(None, names)) != manifest["project"]:
            verdict.add(str(version), "its commit has other files than were signed")
        found = dataset_hashes(folder / DATASET)
        for name in sorted(found.keys() | manifest["dataset"].keys()):
            if found.get(name) != manifest["dataset"].get(name):
                verdict.add(f"{DATASET}/{name}", "is not the file that was signed")
        verdict.checked.append(f"dataset: {len(found)} files, against the signed manifest")
        if left_out:
            verdict.checked.append(f"not here, so not checked: {', '.join(left_out)}")
        verdict.faults[:] = [
            Fault(*(text.replace(f"{folder}{os.sep}", "") for text in (fault.what, fault.why)))
            for fault in verdict.faults
        ]
    return verdict


@contextmanager
def laid_out(root: Path, version: Version) -> Iterator[tuple[Path, list[str]]]:
    """A version's commit and outs in a folder that is removed in the end, and the outs that DVC's cache does not have.

    The dataset is fetched where the cache lacks it.
    """
    (root / WORKSPACE.parent).mkdir(exist_ok=True)
    cache = Cache(root)
    with tempfile.TemporaryDirectory(dir=root / WORKSPACE.parent, prefix="version-") as scratch:
        folder = Path(scratch)
        with tarfile.open(fileobj=io.BytesIO(git_bytes(root, "archive", version.commit))) as files:
            files.extractall(folder)  # git's own paths stay inside; Python before 3.11.4 has no filter to say so
        _use_cache(folder, cache.folder.parents[1].resolve())
        outs = outs_of({"stages": recorded_stages(folder)}) | {out["path"]: out["md5"] for out in added(folder)}
        bring_out(root, cache, outs.get(DATASET, ""))  # what is nowhere is named later
        yield folder, [path for path, md5 in outs.items() if not _link(cache, md5, folder / path)]


def _use_cache(folder: Path, cache: Path) -> None:
    """Let what reads the folder find DVC's cache."""
    config = configparser.ConfigParser()
    config["cache"] = {"dir": str(cache)}
    with (folder / ".dvc/config.local").open("w", encoding="utf-8") as stream:
        config.write(stream)


def _link(cache: Cache, md5: str, path: Path) -> bool:
    """Put an out in its place as links to the cache's objects; whether the cache has it."""
    listing = cache.listing(md5) if md5.endswith(FOLDER) else {"": md5}
    if listing is None or ("" in listing and not cache.path(md5).is_file()):
        return False
    for name, own in listing.items():
        place = path / name if name else path
        place.parent.mkdir(parents=True, exist_ok=True)
        if cache.path(own).is_file():
            place.symlink_to(cache.path(own).resolve())
    return True


def _sources(root: Path, folder: Path) -> list[Source]:
    """The raw sources of a version as they lie here, where their inventories are those that it was made from."""
    stages = Project(folder).recorded
    deps = (dep for entry in stages.values() for dep in entry.get("deps", ()))
    wanted = next((dep["md5"] for dep in deps if dep["path"] == INVENTORIES), "")
    values = yaml.load((folder / "params.yaml").read_text(encoding="utf-8"), LOADER)
    params = [SourceParams.model_validate(source) for source in values["corpus"]["sources"]]
    for place in (root, root / WORKSPACE):
        inventories = place / INVENTORIES
        if inventories.is_dir() and md5_of(md5_files(files_of(inventories))) == wanted:
            (folder / INVENTORIES).parent.mkdir(parents=True, exist_ok=True)
            (folder / INVENTORIES).symlink_to(inventories.resolve())
            try:
                with chdir(place):
                    return [source.resolved() for source in locate(params, Path(SETTINGS), Path(INVENTORIES))]
            except UserError:  # their folders are not on this machine
                return []
    return []
