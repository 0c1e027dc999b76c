"""`sediff withdraw`: leave patients or records out from now on, and revoke every version that was made from them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from sediff.corpus.readers import READERS, RawRecord
from sediff.encoder.patients import TRAINING
from sediff.errors import UserError
from sediff.exclusions import PATIENT, RAW_FILE, RECORD, Exclusions, add_exclusions, read_exclusions
from sediff.files import read_json
from sediff.lineage.dvc_hash import Cache
from sediff.lineage.graph import LOADER
from sediff.lineage.raw import SUFFIXES
from sediff.params import PARAMS, Params
from sediff.pseudonyms import FILE as PSEUDONYM_KEY
from sediff.pseudonyms import read_pseudonyms
from sediff.publication.params import RetentionParams
from sediff.publication.publish import Say, push_pointers
from sediff.publication.retention import live_versions
from sediff.publication.sound import CORPUS
from sediff.publication.store import bring_out, lock_at, outs_of
from sediff.publication.touched import IDS, has_touched
from sediff.publication.versions import DATASET, Version, revoke, versions
from sediff.publication.versions import names as published_names
from sediff.publication.workspace import FOLDER, fetch_tags
from sediff.sources import locate

SETTINGS, INVENTORIES = Path(".sediff/local.yaml"), Path("data/sources")
SEEN = "seen by judges"  # kind of a patient of whom a record was withdrawn: judges tell patients, not records


@dataclass(frozen=True)
class Known:
    """A record that something here knows: its patient, "" where that is not told, and its raw files where they are."""

    record_id: str
    patient_id: str
    files: tuple[str, ...] = ()


def withdraw(root: Path, names: Sequence[str], kind: str, say: Say) -> list[Version]:
    """Withdraw patients or records, all or none of them; gives the versions that are revoked by it.

    Args:
        kind: "patient", "record", or "" for whichever has a name.

    Raises:
        UserError: nothing here knows a name, or a patient and another's record have it; or a remote does not answer,
            or not take what is revoked.
    """
    if not all(name.strip() for name in names):
        raise UserError("No name is nobody's: give the id of a patient or a record, like ptb-xl/00042.")
    fetch_tags(root, say)
    known = list(_known(root))
    chosen = {name: _chosen(known, name, kind) for name in names}
    records = [record for own in chosen.values() for record in own]
    ids = {record.record_id for record in records}
    patients = [name for name, own in chosen.items() if kind != RECORD and any(one.patient_id == name for one in own)]
    hidden = [(RECORD, record) for record in ids] + [(RAW_FILE, file) for one in records for file in one.files]
    params = Params.load(root / PARAMS)
    pseudonyms = read_pseudonyms(params.restricted, params.pseudonyms.key, root / PSEUDONYM_KEY)
    whole = [(PATIENT, called) for name in patients for called in (name, pseudonyms.of(name))]  # judges name the latter
    judged = [
        (SEEN, own) for one in records if one.patient_id for own in (one.patient_id, pseudonyms.of(one.patient_id))
    ]
    exclusions, new = add_exclusions(root, [*hidden, *whole, *judged])
    if new:
        say(
            "a key of exclusions was made, .sediff/exclusion.key: give it to your team by a safe way; refreshes need it"
        )
    touched = []
    for version in (version for own in published_names(root) for version in versions(root, own)):
        has = has_touched(root, version, exclusions.leaves_out)
        if has or (has is None and not is_let_go(root, version, params.publication.retention)):
            why = "a patient in it was withdrawn" if has else "its corpus is nowhere, so who is in it cannot be told"
            revoke(root, version, f"{version} is revoked: {why}")
            touched.append(version)
    for own in sorted({version.name for version in touched}):
        push_pointers(root, own, say)
    say(f"{len(ids)} records are left out; revoked: {', '.join(map(str, touched)) or 'no version'}")
    say("commit knowledge/exclusions.yaml, then `sediff refresh`, then `sediff purge`")
    return touched


def _known(root: Path) -> Iterator[Known]:
    """Every record that a corpus or a raw source here has."""
    for place in (root, root / FOLDER):
        for path in sorted((place / CORPUS / "records").glob("*.parquet")):
            yield from (Known(*row) for row in _rows(path))
        if not (place / PARAMS).is_file():
            continue
        with chdir(place):
            for source in _located():
                for entry in READERS[source.reader](source.name, source.root).records():
                    files = (f"{source.name}/{entry.path}{suffix}" for suffix in SUFFIXES) if entry.path else ()
                    yield Known(entry.record_id, entry.patient_id if isinstance(entry, RawRecord) else "", tuple(files))


def _located() -> Iterator:
    for source in Params.load().corpus.sources:
        try:
            yield from locate([source], SETTINGS, INVENTORIES)
        except UserError:  # not on this machine
            continue


def _rows(path: Path) -> Iterable[tuple[str, str]]:
    table = pq.read_table(path, columns=list(IDS))
    return zip(*(table[column].to_pylist() for column in IDS), strict=True)


def _chosen(known: list[Known], name: str, kind: str) -> list[Known]:
    found = {
        PATIENT: [one for one in known if one.patient_id == name],
        RECORD: [one for one in known if one.record_id == name],
    }
    if (
        not kind
        and all(found.values())
        and {o.record_id for o in found[PATIENT]} != {o.record_id for o in found[RECORD]}
    ):
        raise UserError(f"{name} names a patient and a record of another: say --patient or --record.")
    chosen = found[kind] if kind else found[PATIENT] or found[RECORD]
    if not chosen:
        raise UserError(
            f"No corpus and no raw source here has a {kind or 'patient or record'} {name}: give an id as it stands in "
            "the corpus, like ptb-xl/00042; of a pseudonym `sediff trace` names the record."
        )
    return chosen


def is_let_go(root: Path, version: Version, params: RetentionParams) -> bool:
    """Whether a version is one that retention does not keep, and its dataset is in no place that is known here."""
    if version in live_versions(root, version.name, params):
        return False
    return not bring_out(root, Cache(root), outs_of(lock_at(root, version.commit)).get(DATASET, ""))


def refuse_pinned(folder: Path) -> None:
    """Refuse judges that were trained on somebody withdrawn: a refresh trains others only if none are pinned.

    Raises:
        UserError: params.yaml pins such judges.
    """
    entry, judges = folder / "judges.dvc", Params.load(folder / PARAMS).encoder.judges
    exclusions = read_exclusions(folder)
    if not (judges.pinned and exclusions.hashes and entry.is_file()):
        return
    for out in yaml.load(entry.read_text(encoding="utf-8"), LOADER)["outs"]:
        if judges_saw(folder, Cache(folder), out["md5"], exclusions):
            raise UserError(
                "The pinned judges were trained on somebody withdrawn, or are in neither DVC's cache nor its remote: "
                "empty encoder.judges.pinned in params.yaml, remove judges.dvc, and commit."
            )


def judges_saw(root: Path, cache: Cache, md5: str, exclusions: Exclusions) -> bool:
    """Whether pinned judges were trained on somebody withdrawn; yes, where that cannot be told.

    Raises:
        UserError: DVC's cache lacks them, and its remote does not answer.
    """
    bring_out(root, cache, md5)
    own = (cache.listing(md5) or {}).get(TRAINING, "")
    there = cache.intact(own) if own else None
    return there is None or any(
        exclusions.has(kind, patient) for patient in read_json(there)["patients"] for kind in (PATIENT, SEEN)
    )
