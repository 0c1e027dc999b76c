"""`sediff configure`: which corpus, and which sizes; what changes is shown."""

from pathlib import Path
from typing import Any, get_args

import yaml

from sediff.corpus.readers import READERS
from sediff.errors import UserError
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.run import SETTINGS
from sediff.sources import VIRTUAL, Sharing, read_local_paths, write_local_path

PLAIN = "wfdb"  # the reader of folders that are none of the published corpora
PROFILES = Path(__file__).parent / "profiles"


def choose_corpus(
    path: Path, sharing: str = "open", name: str | None = None, reader: str | None = None, add: bool = False
) -> list[str]:
    """Make a folder the one source, or with `add` one more; its reader is told by its layout if it is not given.

    Raises:
        UserError: the folder is missing, has no layout that is known, or the name or the reader is none.
    """
    if sharing not in get_args(Sharing):
        raise UserError(f"--sharing {sharing}: write {' or '.join(get_args(Sharing))}.")
    if str(path) == VIRTUAL:
        return _set_source({"name": VIRTUAL, "reader": "ptb-xl", "sharing": "open"}, add)
    if not path.is_dir():
        raise UserError(f"{path} is no folder: give the path of an unpacked corpus.")
    if reader is not None and reader not in READERS:
        raise UserError(f"--reader {reader}: write one of {', '.join(READERS)}.")
    reader = reader or next((known for known, cls in READERS.items() if cls.recognises(path)), None)
    if reader is None:
        raise UserError(f"{path} holds no corpus that a reader knows ({', '.join(READERS)}): check the path.")
    name, root = name or reader, path.resolve()
    before = read_local_paths(SETTINGS).get(name)
    if name == VIRTUAL:
        raise UserError(f"--name {VIRTUAL} is the built-in corpus's: give another name.")
    if add and before not in (None, str(root)) and name in {source.name for source in Params.load().corpus.sources}:
        raise UserError(f"{name} is configured already, at {before}: give the other folder another --name.")
    lines = _set_source({"name": name, "reader": reader, "sharing": sharing}, add)
    write_local_path(SETTINGS, name, root)
    if str(root) != before:
        lines.append(f"{SETTINGS}: {name} is at {root}")
    if reader == PLAIN:
        lines.append(f"{root} has no known corpus's table: read as plain WFDB records. Is it the corpus's top folder?")
    return lines


def _set_source(source: dict[str, str], add: bool) -> list[str]:
    others = [dict(s) for s in Params.load().corpus.sources if s.name != source["name"]] if add else []
    written = ", ".join(
        "{" + ", ".join(f"{key}: {value}" for key, value in entry.items()) + "}" for entry in [*others, source]
    )
    return [line for line in set_params(PARAMS, [f"corpus.sources=[{written}]"]) if _changes(line)]


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
