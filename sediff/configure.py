"""`sediff configure`: which corpus, and which sizes; what changes is shown."""

from pathlib import Path
from typing import Any, get_args

import yaml

from sediff.corpus.readers import READERS
from sediff.errors import UserError
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.run import SETTINGS
from sediff.pseudonyms import FILE, VARIABLE, keep_key
from sediff.sources import VIRTUAL, Sharing, read_local_paths, refuse_same_folder, write_local_path

PLAIN = "wfdb"  # the reader of folders that are none of the published corpora
NEW_KEY = (
    f"{FILE} holds a new pseudonym key: give it to your team and nobody else, as that file or as {VARIABLE}, and keep "
    "it; without it nobody gets the same bytes or traces a pseudonym back"
)
RESTRICTED = SETTINGS.with_name("restricted")  # its lines are folders
PROFILES = Path(__file__).parent / "profiles"


def choose_corpus(
    path: Path, sharing: str | None = None, name: str | None = None, reader: str | None = None, add: bool = False
) -> list[str]:
    """Make a folder the one source, or with `add` one more; its reader is told by its layout if it is not given.

    A folder that is restricted stays so until `sharing` says otherwise; the first restricted one gets a pseudonym key.

    Raises:
        UserError: the folder is missing, has no layout that is known or is a source already, the name or the reader is
            none, or the pseudonym key that params.yaml names is not here.
    """
    if sharing not in (None, *get_args(Sharing)):
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
    if add:
        paths, configured = read_local_paths(SETTINGS), {source.name for source in Params.load().corpus.sources}
        others = {other: Path(path) for other, path in paths.items() if other in configured - {name}}
        refuse_same_folder(name, root, others)
    sharing = sharing or _sharing(name, root)
    lines = _set_source({"name": name, "reader": reader, "sharing": sharing}, add)
    write_local_path(SETTINGS, name, root)
    _remember(root, sharing)
    if str(root) != before:
        lines.append(f"{SETTINGS}: {name} is at {root}")
    if reader == PLAIN:
        lines.append(f"{root} has no known corpus's table: read as plain WFDB records. Is it the corpus's top folder?")
    return lines


def _sharing(name: str, root: Path) -> str:
    """How a folder is shared of which nothing is said: as it was before, or as the source of that name, else openly."""
    return "restricted" if name in Params.load().restricted or str(root) in _remembered() else "open"


def _remembered() -> list[str]:
    """Folders that were called restricted here, whatever is configured now."""
    return RESTRICTED.read_text(encoding="utf-8").splitlines() if RESTRICTED.is_file() else []


def _remember(root: Path, sharing: str) -> None:
    others = [line for line in _remembered() if line != str(root)]
    RESTRICTED.write_text("\n".join(others + [str(root)] * (sharing == "restricted")), encoding="utf-8")


def _set_source(source: dict[str, str], add: bool) -> list[str]:
    params = Params.load()
    others = [dict(s) for s in params.corpus.sources if s.name != source["name"]] if add else []
    entries = [*others, source]
    restricted = any(entry["sharing"] == "restricted" for entry in entries)
    identifier, is_new = keep_key(params.pseudonyms.key) if restricted else ("", False)
    written = ", ".join("{" + ", ".join(f"{key}: {value}" for key, value in entry.items()) + "}" for entry in entries)
    # In quotes, as an identifier may look like a number.
    changes = set_params(PARAMS, [f"corpus.sources=[{written}]", f'pseudonyms.key="{identifier}"'])
    return [line for line in changes if _changes(line)] + [NEW_KEY] * is_new


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
