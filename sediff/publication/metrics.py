"""What was measured: in the working tree, or in a published version, as DVC keeps it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError

from sediff.errors import UserError
from sediff.files import read_out
from sediff.lineage.graph import recorded_stages
from sediff.publication.git import git
from sediff.publication.versions import Version
from sediff.report.build import QUEUES, STAGES, TYPES

REPORTS = "reports"
CORPUS_MANIFEST = "data/corpus/manifest.json"
LOST = (DvcException, DataIndexDirError, OSError)  # what DVC raises where neither its cache nor its remote has a file
Pictures = dict[str, bytes]


def read_metrics(root: Path, version: Version | None = None) -> dict[str, Any]:
    """Metrics of the stages that have some; of the working tree where no version is named.

    Raises:
        UserError: nothing has run here, or what the version measured is nowhere to be found.
    """
    found = _by_stage(root, version, f"{REPORTS}/{{}}/metrics.json")
    if not found and version is None:
        raise UserError("reports/ holds no metrics: run `sediff run`, or `dvc pull`, first.")
    return found


def read_pictures(root: Path, version: Version | None = None) -> Pictures:
    """Pictures of the stages by their path below reports/.

    Raises:
        UserError: what the version drew is nowhere to be found.
    """
    if version is None:
        folders = [root / REPORTS / stage / "plots" for stage in STAGES]
        paths = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix in TYPES]
        return {path.relative_to(root / REPORTS).as_posix(): path.read_bytes() for path in paths}
    try:
        files = DVCFileSystem(str(root.resolve()), rev=version.commit)
        drawn = [folder for stage in STAGES if files.exists(folder := f"{REPORTS}/{stage}/plots")]
        names = [
            name for folder in drawn for name in sorted(files.ls(folder, detail=False)) if Path(name).suffix in TYPES
        ]
        return {name.removeprefix(f"{REPORTS}/"): files.read_bytes(name) for name in names}
    except LOST as error:
        raise _unreadable(version, error) from None


def read_curves(root: Path, version: Version | None = None) -> dict[str, Any]:
    """Learning curves of the stages that train, by stage, network and term.

    Raises:
        UserError: what the version learned is nowhere to be found.
    """
    return _by_stage(root, version, f"{REPORTS}/{{}}/curves.json")


def read_manifests(root: Path, version: Version | None = None) -> list[dict[str, Any]]:
    """What each stage that has run rests on, in the order of the stages.

    Raises:
        UserError: a manifest of the version is nowhere to be found.
    """
    return [*_by_stage(root, version, "data/{}/manifest.json").values()]


def read_queues(root: Path, version: Version | None = None) -> dict[str, str]:
    """What `sediff ablate` and `sediff study` wrote for the report; a version has what was committed with it."""
    names = {queue: f"{REPORTS}/tables/{queue}.md" for queue in QUEUES}
    if version is not None:
        return {queue: _of_version(root, version, name) for queue, name in names.items()}
    return {queue: (root / name).read_text("utf-8") for queue, name in names.items() if (root / name).exists()}


def is_restricted(root: Path, version: Version | None = None) -> bool:
    """Whether a version was made of a source that others may not see; or, where none is named, the working tree.

    A tree's params.yaml may name another corpus by now: what its stages were run with tells what its reports show.
    """
    if version is not None:
        return _any_restricted(yaml.safe_load(git(root, "show", f"{version.commit}:params.yaml")))
    recorded = [entry.get("params", {}).get("params.yaml", {}) for entry in recorded_stages(root).values()]
    manifest = root / CORPUS_MANIFEST  # a stage that was killed before DVC wrote it down has reports too
    return any(map(_any_restricted, [*recorded, read_out(manifest)["parameters"] if manifest.exists() else {}]))


def _any_restricted(params: Mapping[str, Any]) -> bool:
    """Whether parameters name a restricted source, in the section or under the dotted key as DVC records it."""
    sources = params.get("corpus.sources") or params.get("corpus", {}).get("sources", ())
    return any(source["sharing"] == "restricted" for source in sources)


def _by_stage(root: Path, version: Version | None, pattern: str) -> dict[str, Any]:
    """A JSON file of each stage that has one."""
    names = {stage: pattern.format(stage) for stage in STAGES}
    if version is None:
        return {stage: read_out(root / name) for stage, name in names.items() if (root / name).exists()}
    texts = {stage: _of_version(root, version, name) for stage, name in names.items()}
    return {stage: json.loads(text) for stage, text in texts.items() if text}


def _of_version(root: Path, version: Version, name: str) -> str:
    """A text file of a version; "" where it has none."""
    try:
        files = DVCFileSystem(str(root.resolve()), rev=version.commit)
        return files.read_text(name) if files.exists(name) else ""
    except LOST as error:
        raise _unreadable(version, error) from None


def _unreadable(version: Version, error: Exception) -> UserError:
    said = " ".join(str(error).split())
    return UserError(f"What {version} reports cannot be read ({said}): check DVC's remote, then try again.")
