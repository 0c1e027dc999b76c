"""Whether a refresh's trainings continue from the served version's weights, and bringing these to where they start.

They do where `publication.continued_steps` says so and records were only added: the same code, parameters and inputs,
but for the raw data, and every record of the served version's corpus as it was there. A withdrawal adds to
`knowledge/exclusions.yaml`, which is such an input, so what follows it starts from nothing. Whoever an ancestor saw is
in the corpus of each version that continues from it, so who is withdrawn revokes those too.
"""

import json
import shutil
from collections.abc import Collection, Mapping
from contextlib import chdir
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from sediff.errors import UserError
from sediff.files import sha256_file
from sediff.lineage.ancestor import (
    POINTER,
    START,
    TRACKED,
    Ancestor,
    Weights,
    parse_ancestor,
    read_ancestor,
    write_ancestor,
)
from sediff.lineage.audit import OF_TWO_STAGES, WEIGHTS
from sediff.lineage.dvc_hash import Cache, files_of, md5_file, md5_files, md5_of
from sediff.lineage.graph import LOADER, Stage, parameter, read_graph
from sediff.lineage.project import MANIFEST
from sediff.params import PARAMS
from sediff.pipeline.graph import ask_dvc, staleness
from sediff.publication.git import git_bytes, git_says
from sediff.publication.params import PublicationParams
from sediff.publication.publish import Say
from sediff.publication.sound import CORPUS
from sediff.publication.store import Lock, bring_out, lock_at, outs_of
from sediff.publication.versions import Version, reference, revoked

RAW = "data/sources"
KEY = "record_id"


def prepare_start(folder: Path, params: PublicationParams, say: Say) -> Ancestor | None:
    """Bring a worktree, whose corpus is up to date, what its trainings start from; gives the version it is of.

    Where nothing would train it stays as it is.

    Raises:
        UserError: DVC's remote does not answer, or `start.json` of a version is malformed.
    """
    stages = trained_stages(folder)
    if not stages:
        return None
    served = reference(folder, params.name)
    if served and read_ancestor(folder) == ancestor_at(folder, served) and not _would_train(folder, stages):
        return read_ancestor(folder)
    _clear(folder)
    if served is None or not params.continued_steps:
        return None
    if reason := why_not(folder, served, stages):
        say(f"trainings start from nothing: {reason}")
        return None
    ancestor = _lay_out(folder, served, stages, params.continued_steps)
    say(f"trainings continue from {served}, to which records were only added")
    return ancestor


def trained_stages(folder: Path) -> list[str]:
    """The stages whose training may continue."""
    return [stage.name for stage in read_graph(folder).values() if str(POINTER) in stage.deps]


def started_outs(folder: Path) -> list[str]:
    """What those stages make."""
    graph = read_graph(folder)
    return [out for stage in trained_stages(folder) for out in graph[stage].outs]


def ancestor_at(root: Path, version: Version) -> Ancestor | None:
    """The version from which a published one continues; None where it started from nothing."""
    named = f"{version.commit}:{POINTER}"
    return parse_ancestor(git_bytes(root, "show", named), POINTER) if git_says(root, "cat-file", "-e", named) else None


def revoked_start(folder: Path) -> str:
    """The revoked version whose training is in a working tree's start weights; "" if none is."""
    ancestor = read_ancestor(folder)
    return next((version for version in (ancestor.chain if ancestor else ()) if _is_revoked(folder, version)), "")


def forget_revoked(folder: Path) -> None:
    """Let trainings of a worktree start from nothing if they would start from a revoked version."""
    if revoked_start(folder):
        _clear(folder)


def check_start(folder: Path) -> None:
    """See that trainings of a working tree may start where it says.

    Raises:
        UserError: it says nothing, or names weights that saw somebody withdrawn.
    """
    if not (folder / POINTER).is_file() and trained_stages(folder):
        raise UserError(
            f"{folder / POINTER} is missing: restore it from git, or write {{}} for trainings from nothing."
        )
    if version := revoked_start(folder):
        raise UserError(
            f"Trainings here would continue from {version}, which is revoked: `sediff refresh` lets its own start from "
            f"nothing; elsewhere write {{}} into {POINTER}, and remove {START} and {TRACKED}."
        )


def why_not(folder: Path, served: Version, stages: Collection[str]) -> str:
    """Why trainings may not continue from a version, as a clause; "" where they may."""
    before = ancestor_at(folder, served)
    if gone := [version for version in (before.chain if before else ()) if _is_revoked(folder, version)]:
        return f"{gone[0]}, from which {served} continues, is revoked"
    lock, cache = lock_at(folder, served.commit), Cache(folder)
    if changed := _changed(folder, lock, stages):
        return f"{changed} is not what {served} was made with"
    outs = outs_of(lock)
    needed = [CORPUS, *map(_out, stages)]
    if lost := [path for path in needed if not bring_out(folder, cache, outs.get(path, ""))]:
        return f"{lost[0]} of {served} is in neither DVC's cache nor its remote"
    listing = cache.listing(outs[CORPUS]) or {}
    if not only_grew({name: cache.path(md5) for name, md5 in listing.items()}, folder / CORPUS):
        return f"a record of {served} was changed or is left out"
    return ""


def only_grew(before: Mapping[str, Path], corpus: Path) -> bool:
    """Whether all records of a corpus stand unchanged in another; they are in the same shard, by their patient.

    Args:
        before: where its files are, by their names in its folder.
        corpus: folder of the other.
    """
    shards = {name: path for name, path in before.items() if name.startswith("records/")}
    return all((corpus / name).is_file() and _holds(corpus / name, path) for name, path in shards.items())


def _holds(path: Path, before: Path) -> bool:
    """Whether a shard has all records of another, each with the same values."""
    if md5_file(path) == md5_file(before):
        return True
    wanted = _read(before)
    there = _read(path)
    return there.filter(pc.is_in(there[KEY], value_set=wanted[KEY].combine_chunks())).equals(wanted)


def _read(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read().sort_by(KEY)


def _is_revoked(root: Path, version: str) -> bool:
    name, _, number = version.rpartition("@")
    return number in revoked(root, name)


def _would_train(folder: Path, stages: Collection[str]) -> bool:
    with chdir(folder):  # DVC names stages by where it is asked
        return any(entry.reasons for entry in staleness(Path()) if entry.stage in stages)


def _changed(folder: Path, lock: Lock, stages: Collection[str]) -> str:
    """What is another for these stages and all before them, but for the raw data; "" if nothing."""
    graph = read_graph(folder)
    values = yaml.load((folder / PARAMS).read_text(encoding="utf-8"), LOADER)
    made = {out: stage.name for stage in graph.values() for out in stage.outs}
    seen, queue = set[str](), list(stages)
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += [made[dep] for dep in graph[name].deps if dep in made]
    for name in sorted(seen):
        own = {dep for dep in graph[name].deps if not (dep in made or dep == str(POINTER) or dep.startswith(RAW))}
        if changed := _changed_of(folder, graph[name], own, lock.get("stages", {}).get(name, {}), values):
            return changed
    return ""


def _changed_of(folder: Path, stage: Stage, own: Collection[str], entry: Lock, values: Mapping) -> str:
    """What is another for one stage; `own` are its inputs that no stage makes."""
    recorded = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
    if recorded.keys() != set(stage.deps):
        return f"the list of what {stage.name} reads"
    params = entry.get("params", {}).get(str(PARAMS), {})
    keys = [key for key in sorted({*params, *stage.params}) if params.get(key) != parameter(values, key)]
    paths = [dep for dep in sorted(own) if md5_of(md5_files(files_of(folder / dep))) != recorded[dep]]
    return next(iter([*keys, *paths]), "")


def _clear(folder: Path) -> None:
    """Let trainings start from nothing."""
    shutil.rmtree(folder / START, ignore_errors=True)
    (folder / TRACKED).unlink(missing_ok=True)
    write_ancestor(folder, None)


def _lay_out(folder: Path, served: Version, stages: Collection[str], steps: float) -> Ancestor:
    """Put a version's weights into `start/`, which DVC tracks; `start.json` names them in the end."""
    cache, outs, weights = Cache(folder), outs_of(lock_at(folder, served.commit)), {}
    for stage in stages:
        listing = cache.listing(outs[_out(stage)]) or {}
        place = folder / START / Path(*stage.split("@"))
        place.mkdir(parents=True)
        names = [name for name in _weights_of(stage) if name in listing]
        for name in names:
            shutil.copyfile(cache.path(listing[name]), place / name)
        fingerprint = json.loads(cache.path(listing[MANIFEST]).read_bytes())["fingerprint"]
        weights[stage] = Weights(fingerprint=fingerprint, files={name: sha256_file(place / name) for name in names})
    ask_dvc(folder, lambda repo: repo.add([str(folder / START)]))
    before = ancestor_at(folder, served)
    ancestor = Ancestor(version=str(served), before=before.chain if before else (), steps=steps, stages=weights)
    write_ancestor(folder, ancestor)
    return ancestor


def _out(stage: str) -> str:
    return f"data/{stage.replace('@', '/')}"


def _weights_of(stage: str) -> list[str]:
    """Names of the files of weights in a stage's out."""
    paths = [Path("data", name) for name in (*WEIGHTS, OF_TWO_STAGES)]
    return [path.name for path in paths if path.parent.as_posix() == _out(stage)]
