"""dvc.yaml as this project reads it: stages with their dependencies, parameters and outs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sediff.errors import UserError

DVC_YAML, DVC_LOCK = Path("dvc.yaml"), Path("dvc.lock")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, in C: a tenth of the time


@dataclass(frozen=True)
class Stage:
    """A stage as written: paths relative to the project's folder, parameters as dotted keys."""

    name: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]


def read_graph(root: Path) -> dict[str, Stage]:
    """All stages by name, `foreach` written out as `name@item`."""
    stages: dict[str, Stage] = {}
    for name, entry in yaml.load((root / DVC_YAML).read_text(), LOADER)["stages"].items():
        if "foreach" in entry:
            items = entry["foreach"]
            for item in items:
                value = items[item] if isinstance(items, dict) else item
                stages[f"{name}@{item}"] = _stage(f"{name}@{item}", _fill(entry["do"], item, value))
        else:
            stages[name] = _stage(name, entry)
    return stages


def find_stage(root: Path, name: str) -> Stage:
    """One stage by name.

    Raises:
        UserError: there is none.
    """
    stages = read_graph(root)
    if name not in stages:
        raise UserError(f"There is no stage {name}: the stages are {', '.join(stages)}.")
    return stages[name]


def recorded_hashes(root: Path) -> dict[str, str]:
    """DVC's hash of each out that dvc.lock records."""
    return {out["path"]: out["md5"] for stage in recorded_stages(root).values() for out in stage.get("outs", [])}


def recorded_stages(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock by name, as DVC wrote them; empty before the first run."""
    lock = root / DVC_LOCK
    return (yaml.load(lock.read_text(), LOADER) or {}).get("stages", {}) if lock.exists() else {}


def changed_parameters(root: Path, stage: str) -> list[str]:
    """Dotted keys of a stage's parameters whose values differ from those that dvc.lock records."""
    recorded = recorded_stages(root).get(stage, {}).get("params", {}).get("params.yaml", {})
    values = yaml.safe_load((root / "params.yaml").read_text())
    return [key for section, old in recorded.items() for key in _differences(section, old, parameter(values, section))]


def _differences(key: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [found for name in names for found in _differences(f"{key}.{name}", old.get(name), new.get(name))]
    return [] if old == new else [key]


def parameter(values: Any, key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _stage(name: str, entry: dict) -> Stage:
    outs = (*entry.get("outs", ()), *entry.get("metrics", ()), *entry.get("plots", ()))
    return Stage(name, tuple(entry.get("deps", ())), tuple(entry.get("params", ())), tuple(map(_path, outs)))


def _path(out: Any) -> str:
    return next(iter(out)) if isinstance(out, dict) else out


def _fill(node: Any, key: str, item: Any) -> Any:
    """Put key and item of a `foreach`, or what the item names, into every text; in a list they are the same."""
    if isinstance(node, dict):
        return {_fill(name, key, item): _fill(value, key, item) for name, value in node.items()}
    if isinstance(node, list):
        return [_fill(value, key, item) for value in node]
    if not isinstance(node, str):
        return node
    named = {f".{name}": value for name, value in item.items()} if isinstance(item, dict) else {"": item}
    for name, value in named.items():
        node = node.replace(f"${{item{name}}}", value)
    return node.replace("${key}", key)
