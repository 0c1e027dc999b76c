"""`sediff configure`: which corpus, and which sizes; what changes is shown."""

from pathlib import Path
from typing import Any, get_args

import yaml

from sediff.corpus.readers.ptb_xl import TABLE
from sediff.errors import UserError
from sediff.params import PARAMS, set_params
from sediff.pipeline.run import SETTINGS
from sediff.sources import VIRTUAL, Sharing, read_local_paths, write_local_path

PROFILES = Path(__file__).parent / "profiles"
LAYOUTS = {TABLE: "ptb-xl"}


def choose_corpus(path: Path, sharing: str) -> list[str]:
    """Make a folder the one source; its reader is told by its tables.

    Raises:
        UserError: the folder is missing or has no layout that is known.
    """
    if sharing not in get_args(Sharing):
        raise UserError(f"--sharing {sharing}: write {' or '.join(get_args(Sharing))}.")
    if str(path) == VIRTUAL:
        return _set_source(VIRTUAL, "ptb-xl", "open")
    if not path.is_dir():
        raise UserError(f"{path} is no folder: give the path of an unpacked corpus.")
    reader = next((reader for table, reader in LAYOUTS.items() if (path / table).is_file()), None)
    if reader is None:
        raise UserError(f"{path} holds none of {', '.join(LAYOUTS)}: give the folder in which the corpus's table lies.")
    before, root = read_local_paths(SETTINGS).get(reader), str(path.resolve())
    lines = _set_source(reader, reader, sharing)
    write_local_path(SETTINGS, reader, Path(root))
    return lines + ([f"{SETTINGS}: {reader} is at {root}"] if root != before else [])


def _set_source(name: str, reader: str, sharing: str) -> list[str]:
    source = f"[{{name: {name}, reader: {reader}, sharing: {sharing}}}]"
    return [line for line in set_params(PARAMS, [f"corpus.sources={source}"]) if _changes(line)]


def choose_profile(name: str, force: bool) -> list[str]:
    """Write a profile's sizes into params.yaml.

    A key whose value is of no profile was edited by somebody, and is overwritten only with `force`.

    Raises:
        UserError: there is no such profile, or a key was edited.
    """
    profiles = {path.stem: _flat(yaml.safe_load(path.read_text())) for path in sorted(PROFILES.glob("*.yaml"))}
    if name not in profiles:
        raise UserError(f"There is no profile {name}: there are {', '.join(profiles)}.")
    current = _flat(yaml.safe_load(PARAMS.read_text(encoding="utf-8")))
    edited = [key for key in profiles[name] if all(values.get(key) != current.get(key) for values in profiles.values())]
    if edited and not force:
        raise UserError(f"{PARAMS}: {', '.join(edited)} was edited: use --force to overwrite it.")
    return [line for line in set_params(PARAMS, [f"{k}={v}" for k, v in profiles[name].items()]) if _changes(line)]


def _changes(line: str) -> bool:
    before, after = line.split(": ", 1)[1].split(" → ")
    return before != after


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
