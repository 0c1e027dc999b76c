"""`sediff configure`: which corpus, and which sizes; what changes is shown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from sediff.corpus.readers import READERS
from sediff.diffusion.params import DenoiserParams
from sediff.errors import UserError
from sediff.params import PARAMS, Params, check_assignments, set_params
from sediff.pipeline.run import SETTINGS
from sediff.pseudonyms import FILE, VARIABLE, keep_key
from sediff.sources import VIRTUAL, Sharing, read_local_paths, refuse_same_folder, write_local_path
from sediff.synthesis.schema import RequestFile
from sediff.vocabulary import Vocabulary

PLAIN = "wfdb"  # the reader of folders that are none of the published corpora
NEW_KEY = (
    f"{FILE} holds a new pseudonym key: give it to your team and nobody else, as that file or as {VARIABLE}, and keep "
    "it; without it nobody gets the same bytes or traces a pseudonym back"
)
RESTRICTED = SETTINGS.with_name("restricted")  # its lines are folders
PROFILES = Path(__file__).parent / "profiles"
AUTO = "auto"  # in a profile: measured on this machine, and written down as a number, a power of two
SMALLEST_MEASURED = 64  # which is batch.SMALLEST


def configure(
    path: Path | None = None,
    sharing: str | None = None,
    name: str | None = None,
    reader: str | None = None,
    add: bool = False,
    profile: str | None = None,
    force: bool = False,
    request: Path | None = None,
) -> list[str]:
    """Make a folder the one source, or with `add` one more, and write a profile's sizes; all of it or nothing.

    A request's file becomes what `synthesis.dataset` makes, named with its hash.

    A folder's reader is told by its layout if it is not given. One that is restricted stays so until `sharing` says
    otherwise; the first restricted one gets a pseudonym key. A key of params.yaml whose value is of no profile was
    edited by somebody, and is overwritten only with `force`.

    Returns:
        A line for each change.

    Raises:
        UserError: the folder is missing, has no layout that is known or is a source already, the name or the reader is
            none, the pseudonym key that params.yaml names is not here; there is no such profile, or a key was edited;
            the request is missing or wrong.
    """
    corpus = _corpus(path, sharing, name, reader, add) if path is not None else None
    sizes = _sizes(profile, force) if profile else []
    if request is not None:
        sizes.append(_requested(request))
    if corpus is None:
        return _written(sizes)
    params = Params.load()
    others = [dict(s) for s in params.corpus.sources if s.name != corpus.entry["name"]] if add else []
    entries = [*others, corpus.entry]
    identifier, is_new = "", False
    check_assignments(PARAMS, [*_sources(entries, identifier), *sizes])  # before a key is made, which stays
    if any(entry["sharing"] == "restricted" for entry in entries):
        identifier, is_new = keep_key(params.pseudonyms.key)
    lines = _written([*_sources(entries, identifier), *sizes]) + [NEW_KEY] * is_new
    return lines + (_placed(corpus.entry, corpus.root) if corpus.root else [])


@dataclass(frozen=True)
class _Corpus:
    """A chosen corpus: its entry in params.yaml, and its folder, which the virtual one makes itself."""

    entry: dict[str, str]
    root: Path | None = None


def _corpus(path: Path, sharing: str | None, name: str | None, reader: str | None, add: bool) -> _Corpus:
    if sharing not in (None, *get_args(Sharing)):
        raise UserError(f"--sharing {sharing}: write {' or '.join(get_args(Sharing))}.")
    if str(path) == VIRTUAL:
        return _Corpus({"name": VIRTUAL, "reader": "ptb-xl", "sharing": "open"})
    if not path.is_dir():
        raise UserError(f"{path} is no folder: give the path of an unpacked corpus.")
    if reader is not None and reader not in READERS:
        raise UserError(f"--reader {reader}: write one of {', '.join(READERS)}.")
    reader = reader or next((known for known, cls in READERS.items() if cls.recognises(path)), None)
    if reader is None:
        raise UserError(f"{path} holds no corpus that a reader knows ({', '.join(READERS)}): check the path.")
    name, root = name or reader, path.resolve()
    if name == VIRTUAL:
        raise UserError(f"--name {VIRTUAL} is the built-in corpus's: give another name.")
    before = read_local_paths(SETTINGS).get(name)
    if add and before not in (None, str(root)) and name in {source.name for source in Params.load().corpus.sources}:
        raise UserError(f"{name} is configured already, at {before}: give the other folder another --name.")
    if add:
        paths, configured = read_local_paths(SETTINGS), {source.name for source in Params.load().corpus.sources}
        others = {other: Path(path) for other, path in paths.items() if other in configured - {name}}
        refuse_same_folder(name, root, others)
    return _Corpus({"name": name, "reader": reader, "sharing": sharing or _sharing(name, root)}, root)


def _placed(entry: dict[str, str], root: Path) -> list[str]:
    """Remember where a source lies and how it is shared."""
    name, before = entry["name"], read_local_paths(SETTINGS).get(entry["name"])
    write_local_path(SETTINGS, name, root)
    _remember(root, entry["sharing"])
    lines = [f"{SETTINGS}: {name} is at {root}"] if str(root) != before else []
    if entry["reader"] == PLAIN:
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


def _sources(entries: Sequence[dict[str, str]], identifier: str) -> list[str]:
    """Assignments of the sources and of the pseudonym key's identifier, in quotes as it may look like a number."""
    written = ", ".join("{" + ", ".join(f"{key}: {value}" for key, value in entry.items()) + "}" for entry in entries)
    return [f"corpus.sources=[{written}]", f'pseudonyms.key="{identifier}"']


def _sizes(profile: str, force: bool) -> list[str]:
    """Assignments of a profile's sizes."""
    profiles = {path.stem: _flat(yaml.safe_load(path.read_text())) for path in sorted(PROFILES.glob("*.yaml"))}
    if profile not in profiles:
        raise UserError(f"There is no profile {profile}: there are {', '.join(profiles)}.")
    current, wanted = _flat(yaml.safe_load(PARAMS.read_text(encoding="utf-8"))), profiles[profile]
    known = {key: [values.get(key) for values in profiles.values()] for key in wanted}
    edited = [key for key, values in known.items() if not _is_of_a_profile(current.get(key), values)]
    if edited and not force:
        raise UserError(f"{PARAMS}: {', '.join(edited)} was edited: use --force to overwrite it.")
    return [f"{key}={_batch({**current, **wanted}) if value == AUTO else value}" for key, value in wanted.items()]


def _requested(request: Path) -> str:
    """The assignment of a request's file, once it is one that can be made."""
    from sediff.synthesis.read import read_request  # torch takes seconds to import

    read_request(request, Vocabulary.load())
    return f"synthesis.dataset={json.dumps(RequestFile.of(request).model_dump(), ensure_ascii=False)}"


def _is_of_a_profile(value: Any, values: Sequence[Any]) -> bool:
    """Whether a value is one of the profiles', or what a machine may have measured where one of them says auto."""
    measured = isinstance(value, int) and value >= SMALLEST_MEASURED and value.bit_count() == 1
    return value in values or (AUTO in values and measured)


def _batch(values: dict[str, Any]) -> int:
    """The sampler's batch that fills this machine's GPU."""
    from sediff.synthesis.batch import batch_here  # torch takes seconds to import

    prefix = "diffusion.denoiser."
    sizes = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    return batch_here(DenoiserParams.model_validate(sizes), values["encoder.conditioner.width"])


def _written(assignments: Sequence[str]) -> list[str]:
    """Make the assignments; a line for each that changed something."""
    return [line for line in set_params(PARAMS, assignments) if _changes(line)]


def _changes(line: str) -> bool:
    before, after = line.split(": ", 1)[1].split(" → ")
    return before != after


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
