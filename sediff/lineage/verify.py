"""`sediff verify`: every hash from the dataset back to the raw files, computed again.

What is recorded stands in several places that must agree: dvc.lock has a hash of each out, input and file of code;
each manifest has the fingerprint of all that its stage depended on; rows name the stage and the weights that made them;
inventories have a hash of each raw file. A file that differs from any of them is named.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json
from sediff.lineage.ancestor import POINTER, read_ancestor
from sediff.lineage.audit import OF_TWO_STAGES, WEIGHTS, model_hash
from sediff.lineage.changed_files import changed_files
from sediff.lineage.dvc_hash import WORKERS, Cache, files_of, md5_files, md5_of
from sediff.lineage.fingerprint import content_hash
from sediff.lineage.graph import LOADER, parameter
from sediff.lineage.project import ORIGIN, Project
from sediff.lineage.tables import numbered_shards, opened
from sediff.sources import Source, read_inventory

REQUEST = "synthesis@"
IDENTITY = ("record_id", "index", "model", "fingerprint")  # of a synthetic row
SHOWN = 5  # rows that a fault names
MISSING = "is missing"


@dataclass(frozen=True)
class Fault:
    """What is not as it was recorded: a file, a row or an entry, and how it differs."""

    what: str
    why: str


@dataclass
class Verdict:
    """What was checked, in lines, and what is wrong."""

    checked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, what: str, why: str) -> None:
        """Take a fault in, once."""
        fault = Fault(what, why)
        if fault not in self.faults:
            self.faults.append(fault)


def verify(root: Path, sources: list[Source] | None, absent: Iterable[str] = ()) -> Verdict:
    """Check a working tree.

    Args:
        sources: whose raw files are hashed; None leaves them out.
        absent: outs and inputs that are known not to be here, and are left out.

    Raises:
        UserError: dvc.yaml or dvc.lock cannot be read.
    """
    project, verdict = Project(root, frozenset(absent)), Verdict()
    if not project.recorded:
        raise UserError(f"{root / 'dvc.lock'} has no stage: nothing was run here; `sediff run`, or `dvc pull`, first.")
    checks: list[Callable[[Project, Verdict], None]] = [_outs, _inputs, _manifests, _rows]
    for check in checks:
        check(project, verdict)
    if sources is not None:
        _raw(sources, verdict)
    return verdict


def _outs(project: Project, verdict: Verdict) -> None:
    """Every out of DVC against the hash in dvc.lock, and what `dvc add` tracks against its `.dvc` file."""
    count = size = 0
    cache = Cache(project.root)
    for stage in project.stages:
        if stage not in project.recorded:
            verdict.add(stage, "the stage has not run: dvc.lock does not have it")
    for out in [*project.outs.values(), *added(project.root)]:
        if project.is_absent(out["path"]):
            continue
        path = project.root / out["path"]
        files = files_of(path)
        listing = md5_files(files)
        count, size = count + len(files), size + sum(file.stat().st_size for file in files.values())
        if not path.exists():
            verdict.add(out["path"], "is missing: `dvc checkout` restores it where the cache has it")
        elif md5_of(listing) != out["md5"]:
            for name, why in changed_files(project, cache, out, listing):
                verdict.add(f"{out['path']}/{name}" if name else out["path"], why)
    verdict.checked.append(f"outs: {count} files, {size / 1e6:.1f} MB, against dvc.lock")


def added(root: Path) -> Iterator[dict[str, Any]]:
    """What `dvc add` tracks in a working tree, as its `.dvc` files name it."""
    for path in sorted(root.glob("*.dvc")):
        if path.is_file():
            for out in yaml.load(path.read_text(encoding="utf-8"), LOADER)["outs"]:
                yield {**out, "stage": ""}


def _inputs(project: Project, verdict: Verdict) -> None:
    """What each stage read: an out as its own stage made it, anything else as it is here."""
    here: dict[str, str] = {}
    stale: dict[str, list[str]] = {}
    for stage, entry in project.recorded.items():
        for dep in entry.get("deps", ()):
            path = dep["path"]
            if path in project.outs:
                if project.outs[path]["md5"] != dep["md5"]:
                    verdict.add(f"dvc.lock: {stage}", f"read another {path} than the one that is recorded")
                continue
            if project.is_absent(path):
                continue
            if path not in here:
                there = project.root / path
                here[path] = md5_of(md5_files(files_of(there))) if there.exists() else MISSING
            if here[path] != dep["md5"]:
                stale.setdefault(path, []).append(stage)
    for path, stages in stale.items():
        why = MISSING if here[path] == MISSING else "is not what dvc.lock names"
        verdict.add(path, f"{why}, for {', '.join(stages)}: `sediff run`, or restore the file")
    verdict.checked.append(f"inputs and code: {len(here)} files and folders, against dvc.lock")


def _manifests(project: Project, verdict: Verdict) -> None:
    """Each manifest against its own fingerprint, against dvc.lock, and against params.yaml."""
    values = yaml.load((project.root / "params.yaml").read_text(encoding="utf-8"), LOADER)
    checked = {name: entry for name, entry in project.recorded.items() if not _is_absent(project, name)}
    for stage, entry in checked.items():
        try:
            manifest = project.manifest(stage)
        except UserError as error:
            verdict.add(f"manifest of {stage}", str(error))
            continue
        what = f"manifest of {stage}"
        if sha256_json({name: manifest[name] for name in ORIGIN}) != manifest["fingerprint"]:
            verdict.add(what, "its fingerprint is not that of its content")
        recorded = entry.get("params", {}).get("params.yaml", {})
        for key, value in manifest["parameters"].items():
            if recorded.get(key) != value:
                verdict.add(what, f"{key} is not as dvc.lock has it")
            elif parameter(values, key) != value:
                verdict.add("params.yaml", f"{key} is not what {stage} was run with: `sediff run`, or restore it")
        if str(POINTER) in manifest["inputs"] and manifest.get("continues") != _continues(project.root, stage):
            verdict.add(what, f"it names another version that its training continues from than {POINTER}")
        deps = {dep["path"]: dep["md5"] for dep in entry.get("deps", ())}
        for path, known in manifest["inputs"].items():
            if project.is_absent(path) and path not in project.outs:
                continue
            now = deps.get(path) if path in project.outs else _content(project.root / path)
            if now != known:
                verdict.add(what, f"it read another {path} than the one that is recorded")
        for path, known in manifest["code"].items():
            if path in deps and _content(project.root / path) != known and not _faulty(verdict, path):
                verdict.checked.append(f"{path} was accepted for {stage} as changing no result (--accept-code)")
    verdict.checked.append(f"manifests: {len(checked)}, their fingerprints, parameters and inputs")


def _continues(root: Path, stage: str) -> dict[str, Any] | None:
    ancestor = read_ancestor(root)
    return ancestor.told(stage) if ancestor and stage in ancestor.stages else None


def _content(path: Path) -> str:
    return content_hash(path) if path.exists() else ""


def _is_absent(project: Project, stage: str) -> bool:
    return project.is_absent(project.folder(stage).relative_to(project.root).as_posix())


def _faulty(verdict: Verdict, path: str) -> bool:
    return any(fault.what == path for fault in verdict.faults)


def _rows(project: Project, verdict: Verdict) -> None:
    """Each synthetic row against its place, its stage's manifest and the weights."""
    count = 0
    weights = ""
    known = [f"data/{name}" for name in WEIGHTS if not project.is_absent(f"data/{name}")]
    for stage in (name for name in project.recorded if name.startswith(REQUEST) and not _is_absent(project, name)):
        try:
            wanted = {"fingerprint": project.manifest(stage)["fingerprint"]}
            if len(known) == len(WEIGHTS):
                weights = weights or model_hash(project.root)
                named = (*known, f"data/{OF_TWO_STAGES}")
                if not any(_faulty(verdict, name) for name in named):  # they are named, and rows need not be
                    wanted["model"] = weights
            for path in numbered_shards(project.folder(stage) / "records").values():
                name = path.relative_to(project.root).as_posix()
                if not _faulty(verdict, name):
                    count += _shard(path, name, stage.removeprefix(REQUEST), wanted, verdict)
        except UserError as error:
            verdict.add(stage, str(error))
    verdict.checked.append(f"synthetic rows: {count}, their places, stages and weights")


def _shard(path: Path, name: str, request: str, wanted: Mapping[str, str], verdict: Verdict) -> int:
    """How many rows a shard has; one fault for all that differ in the same way."""
    with opened(path) as file:
        if not set(IDENTITY) <= set(file.schema_arrow.names):
            verdict.add(name, f"lacks one of the columns {', '.join(IDENTITY)}")
            return 0
        rows = file.read(columns=list(IDENTITY)).to_pylist()
    misplaced = [row["record_id"] for row in rows if row["record_id"] != f"{request}/{row['index']:06d}"]
    if misplaced:
        verdict.add(name, f"{_several(misplaced)} at an index that is another's")
    for column, value in wanted.items():
        others = [row["record_id"] for row in rows if row[column] != value]
        if others:
            verdict.add(name, f"{_several(others)} of another {column} than {value[:16]}, which is here")
    return len(rows)


def _several(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more} {'is' if len(names) == 1 else 'are'}"


def _raw(sources: list[Source], verdict: Verdict) -> None:
    """Every raw file against the inventory of its source."""
    count = 0
    for source in sources:
        wanted = dict(read_inventory(source))
        with ThreadPoolExecutor(WORKERS) as pool:
            hashes = pool.map(lambda name, root=source.root: _sha256(root / name), wanted)
            for name, found in zip(wanted, hashes, strict=True):
                if found != wanted[name]:
                    why = "changed since it was scanned" if found else "is missing, and was there when it was scanned"
                    verdict.add(str(source.root / name), f"{why}: restore it, or `sediff run` takes it as it is")
        count += len(wanted)
    verdict.checked.append(f"raw files: {count}, against data/sources")


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""
