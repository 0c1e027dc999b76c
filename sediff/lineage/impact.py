"""`sediff impact`: all that a raw patient's data, or one record of theirs, touched in a working tree."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sediff.errors import UserError
from sediff.files import read_out
from sediff.lineage.ancestor import POINTER, hashes
from sediff.lineage.project import Project
from sediff.lineage.tables import numbered_shards, opened
from sediff.pseudonyms import Pseudonyms

EXAMPLES = 5
NOT_LEARNED = "did not learn from it"
TRAINING = "train"
LEARNS = ("simulator", "knowledge", "autoencoder", "diffusion")  # from all training records
CONDITIONER, JUDGES, CLASSIFIERS = "encoder@conditioner", "encoder@judges", "augmentation"


@dataclass
class Touched:
    """Rows of one kind that a record is in: how many, and the first of them."""

    what: str
    where: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, names: Iterable[str]) -> None:
        """Take rows in, by their names."""
        for name in names:
            self.count += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(name)


@dataclass(frozen=True)
class Impact:
    """What was touched.

    Attributes:
        records: ids, with patient, split and place in the corpus.
        rows: of tables that name them.
        models: by stage, how it saw them.
        versions: published ones that were made from them, or of which that cannot be told.
        continues: by stage, the published weights from which its training continues, as its manifest names them.
    """

    asked: str
    records: list[dict[str, Any]]
    rows: list[Touched]
    models: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    continues: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        rows = [
            {"what": one.what, "where": one.where, "count": one.count, "examples": one.examples} for one in self.rows
        ]
        return {
            "schema_version": 1, "asked": self.asked, "records": self.records, "rows": rows, "models": self.models,
            "versions": self.versions, "continues": self.continues,
        }  # fmt: skip


def impact(root: Path, name: str, kind: str, pseudonyms: Pseudonyms) -> Impact:
    """Where the records of a patient, or one record, went.

    Args:
        name: of a patient or a record.
        kind: "patient", "record", or "" for whichever has the name.
        pseudonyms: by which exported rows call records of restricted sources.

    Raises:
        UserError: the corpus has neither, or both have the name, or a table is missing or damaged.
    """
    project = Project(root)
    records = _records(project, name, kind)
    own = {record["record_id"] for record in records}
    outside = {pseudonyms.of(record) for record in own}
    patients = {record["patient_id"] for record in records}
    data = root / "data"
    fits = Touched("fits of its records", "data/simulator/records.parquet")
    fits.add(_named(data / "simulator/records.parquet", "record_id", own))
    experience = data / "knowledge/experience.parquet"
    profiles = Touched("profiles and experiences of its records", "data/knowledge")
    profiles.add(_named(experience, "record_id", own))
    others = Touched("experiences of other records that rest on it", "data/knowledge/experience.parquet")
    others.add(record for record in _listing(experience, "neighbours", own) if record not in own)
    rows = [fits, profiles, others, *_synthetic(data / "synthesis", outside), *_measured(data, own, outside)]
    models = _models(project, records, patients, pseudonyms)
    return Impact(name, records, rows, models, continues=_continues(project))


def _records(project: Project, name: str, kind: str) -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, Any]]] = {"patient": [], "record": []}
    for path in numbered_shards(project.root / "data/corpus/records").values():
        with opened(path) as file:
            table = file.read(columns=["record_id", "patient_id", "split"])
        place = path.relative_to(project.root).as_posix()
        for own in found:
            match = pc.equal(table[f"{own}_id"], name)
            found[own] += [{**row, "shard": place} for row in table.filter(match).to_pylist()]
    if not kind and all(found.values()) and found["patient"] != found["record"]:
        raise UserError(f"{name} names a patient and a record of another: say --patient or --record.")
    chosen = found[kind] if kind else found["patient"] or found["record"]
    if not chosen:
        raise UserError(
            f"{project.root / 'data/corpus'} has no {kind or 'patient or record'} {name}: give an id as it stands "
            "there, like ptb-xl/00042; of a pseudonym `sediff trace` names the record."
        )
    return chosen


def _named(path: Path, column: str, ids: Collection[str]) -> Iterator[str]:
    """The ids that a column has, of those asked for."""
    with opened(path) as file:
        for batch in file.iter_batches(columns=[column]):
            yield from (name for name in batch[column].to_pylist() if name in ids)


def _listing(path: Path, column: str, ids: Collection[str], name: str = "record_id") -> Iterator[str]:
    """The rows whose list has one of the ids, by their names."""
    with opened(path) as file:
        wanted = pa.array(sorted(ids), file.schema_arrow.field(column).type.value_type)
        for batch in file.iter_batches(columns=[name, column]):
            lists = batch[column]
            hits = pc.is_in(lists.flatten(), value_set=wanted)
            parents = pc.list_parent_indices(lists).filter(hits).unique().to_pylist()
            yield from (batch[name][row].as_py() for row in sorted(parents))


def _synthetic(synthesis: Path, ids: Collection[str]) -> Iterator[Touched]:
    for folder in sorted(path for path in synthesis.glob("*") if (path / "records").is_dir()):
        where = f"data/synthesis/{folder.name}"
        matched, resting = (
            Touched("synthetic records with its condition", where),
            Touched("synthetic records whose experience rests on it", where),
        )
        for path in numbered_shards(folder / "records").values():
            with opened(path) as file:
                table = file.read(columns=["record_id", "matched_record_id"])
            match = pc.is_in(table["matched_record_id"], value_set=pa.array(sorted(ids), pa.string()))
            matched.add(table.filter(match)["record_id"].to_pylist())
            resting.add(_listing(path, "neighbours", ids))
        yield from (matched, resting)


def _measured(data: Path, own: Collection[str], outside: Collection[str]) -> Iterator[Touched]:
    """Rows of the evaluation and of the usefulness test, where these have run."""
    records = data / "evaluation/records.parquet"
    for column, what in (
        ("matched_record_id", "measured synthetic records with its condition"),
        ("nearest_training_record", "synthetic records to which it is the nearest"),
    ):
        found = Touched(what, "data/evaluation/records.parquet")
        if records.is_file():
            with opened(records) as file:
                table = file.read(columns=["record_id", column])
            found.add(row["record_id"] for row in table.to_pylist() if row[column] in outside)
        yield found
    predictions = Touched("predictions of the classifiers for its records", "data/augmentation/predictions.parquet")
    if (data / "augmentation/predictions.parquet").is_file():
        predictions.add(_named(data / "augmentation/predictions.parquet", "record_id", {*own, *outside}))
    yield predictions


def _models(
    project: Project, records: Sequence[Mapping[str, Any]], patients: Collection[str], pseudonyms: Pseudonyms
) -> dict[str, str]:
    """How each stage that learns saw the records: from the training split alone, the encoders each from a part."""
    training = [record for record in records if record["split"] == TRAINING]
    models = {stage: _learned(len(training), len(records)) for stage in LEARNS if stage in project.recorded}
    if CONDITIONER in project.recorded:
        from sediff.encoder.data import is_judges

        share = project.manifest(CONDITIONER)["parameters"]["encoder.judges_share"]
        own = [record for record in training if not is_judges(record["patient_id"], share)]
        models[CONDITIONER] = _learned(len(own), len(records))
    said = project.root / "data/encoder/judges/training.json"
    if said.is_file():
        known = set(read_out(said)["patients"])
        seen = any(patient in known or pseudonyms.of(patient) in known for patient in patients)
        models[JUDGES] = _learned(len(training) if seen else 0, len(records))
    if CLASSIFIERS in project.recorded:
        drawn = "may have been trained on it, which draws from the training split"
        models[CLASSIFIERS] = drawn if training else NOT_LEARNED
    return models


def _continues(project: Project) -> dict[str, dict[str, Any]]:
    trained = [name for name in project.recorded if str(POINTER) in project.stages[name].deps]
    manifests = {stage: project.manifest(stage) for stage in trained}
    return {stage: manifest["continues"] for stage, manifest in manifests.items() if "continues" in manifest}


def _learned(count: int, total: int) -> str:
    return f"trained on {count} of {total} records" if count else NOT_LEARNED


def impact_lines(found: Impact) -> list[str]:
    """It in lines: records, models, rows with examples."""
    lines = [f"{found.asked}: {len(found.records)} records of the corpus"]
    lines += [
        f"   {one['record_id']}, patient {one['patient_id']}, {one['split']}, {one['shard']}" for one in found.records
    ]
    lines += [f"{stage}: {told}" for stage, told in found.models.items()]
    for stage, own in found.continues.items():
        chain = (f"{name} ({found.versions.get(name, NOT_LEARNED)})" for name in (own["version"], *own["before"]))
        lines.append(f"{stage}: continues from {hashes(own['files'])} of {', before that '.join(chain)}")
    for one in found.rows:
        more = f": {', '.join(one.examples)}{', …' if one.count > EXAMPLES else ''}" if one.count else ""
        lines.append(f"{one.count} {one.what} ({one.where}){more}")
    lines += [f"{version}: {told}" for version, told in found.versions.items()]
    return lines if found.versions else [*lines, "no published version was made from it"]
