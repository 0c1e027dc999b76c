"""Rows in a lineage: synthetic records, records of the corpus, experiences, each with what it came from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sediff.errors import UserError
from sediff.lineage.experience import ANSWERS, EXPERIENCES, answers_of
from sediff.lineage.project import Project
from sediff.lineage.provenance import Lineage, Node
from sediff.lineage.raw import raw_files
from sediff.lineage.stages import Stages, raw_node
from sediff.lineage.tables import Found, find_rows, numbered_shards, opened, row_at
from sediff.lineage.wfdb_header import LIKENESS

EXPERIENCE, QUERY = "experience:", "query:"  # what an experience's id begins with
TOLD = ("patient_id", "source", "split", "recorded_at", "age", "sex", "statements", "repairs")  # of a real record
ASKED = ("text", "age", "sex", "heart_rate", "axis", "pr", "qrs", "qt", "statements")  # of a synthetic one


class Rows:
    """Adds rows to a lineage, with what they came from."""

    def __init__(self, project: Project, lineage: Lineage) -> None:
        self.project, self.lineage = project, lineage
        self.stages = Stages(project, lineage)
        self.data = project.root / "data"

    def synthetic(self, request: str, index: int) -> None:
        """Add a synthetic record.

        Raises:
            UserError: the request has no such record, or a table that leads to it is missing or damaged.
        """
        name = f"{request}/{index:06d}"
        found = synthetic_row(self.data / "synthesis" / request, name, index)
        row = found.values
        asked = {field: row[field] for field in ASKED if row.get(field) not in (None, [])}
        drawn = {field: row[field] for field in ("request", "seed", "index", "try", "model", "fingerprint")}
        place = self._place(found)
        key = self.lineage.add(Node(f"record:{name}", "entity", "synthetic record", name, {**asked, **drawn, **place}))
        self.stages.made_by(key, f"synthesis@{request}", row["fingerprint"])
        self.lineage.link(key, "was derived from", self.model(row["model"]))
        if matched := row["matched_record_id"]:
            self.real([matched])
            self.lineage.link(key, "was derived from", f"record:{matched}", **{"for its": "condition"})
        if row["experience_id"]:
            said = {"text": row["experience"], "distiller": row["distiller"]}
            said |= {name: round(row[name], 4) for name in LIKENESS if row.get(name) is not None}
            pairs = list(zip(row["neighbours"], row["similarities"], strict=True))
            self.lineage.link(key, "was derived from", self.experience(row["experience_id"], said, pairs))
        if row["simulator_statement"]:
            self.lineage.link(key, "was derived from", self._fit(row["simulator_statement"]))

    def experience(
        self, name: str, said: Mapping[str, Any] | None = None, pairs: Sequence[tuple[str, float]] = ()
    ) -> str:
        """Add an experience; its key.

        Args:
            said: what a row that rests on it says of it; the stage's table is asked for the rest.
            pairs: neighbours and similarities, as that row has them.

        Raises:
            UserError: there is none, or a table is damaged.
        """
        record = name.removeprefix(EXPERIENCE)
        table = self.data / "knowledge" / EXPERIENCES
        columns = ["experience_id", "record_id", "text", "distiller", "fallback_reason", "neighbours", "similarities"]
        full = None  # the whole row is read only where a model was asked
        if said is None:
            found = find_rows([table], "record_id", [record], columns).get(record)
            if found is None:
                raise UserError(f"{table} has no experience {name}: give its record's id, as `sediff knowledge show`.")
            row = found.values
            said = {"text": row["text"], "distiller": row["distiller"], **self._place(found)}
            said |= {"fallback_reason": row["fallback_reason"]} if row["fallback_reason"] else {}
            pairs = list(zip(row["neighbours"], row["similarities"], strict=True))
        if name.startswith(EXPERIENCE) and (self.data / "knowledge" / ANSWERS).is_file():
            full = find_rows([table], "record_id", [record]).get(record)
        key = self.lineage.add(Node(f"experience:{name}", "entity", "experience", name, dict(said)))
        self.stages.made_by(key, "knowledge")
        for answer in answers_of(self.data / "knowledge", full.values) if full else ():
            self._answer(key, answer)
        self.real([record for record, _ in pairs])
        for neighbour, similarity in pairs:
            self.lineage.link(key, "was derived from", f"record:{neighbour}", similarity=round(float(similarity), 4))
        return key

    def real(self, records: Sequence[str]) -> dict[str, Found]:
        """Add real records, as far as the corpus has them: a pseudonym is named and not followed."""
        new = [record for record in dict.fromkeys(records) if f"record:{record}" not in self.lineage.nodes]
        if not new:
            return {}
        found = find_rows(numbered_shards(self.data / "corpus/records").values(), "record_id", new, TOLD)
        for record in new:
            there = found.get(record)
            facts = {name: there.values[name] for name in TOLD if there.values[name] not in (None, [])} if there else {}
            if there is None:
                facts = {"not followed": self._unknown(record)}
            place = self._place(there) if there else {}
            self.lineage.add(Node(f"record:{record}", "entity", "real record", record, {**facts, **place}))
        if found:
            self._raw(found)
        return found

    def _unknown(self, record: str) -> str:
        sources = self.project.manifest("corpus")["parameters"]["corpus"]["sources"]
        restricted = {source["name"] for source in sources if source["sharing"] == "restricted"}
        if record.partition("/")[0] in restricted:
            return "a pseudonym: `sediff trace` names the record, for who has the key"
        return "no record of the corpus that is here"

    def _raw(self, found: Mapping[str, Found]) -> None:
        corpus = self.project.manifest("corpus")
        for source in corpus["parameters"]["corpus"]["sources"]:
            of_source = {name: row.values["patient_id"] for name, row in found.items()}
            own = {name: patient for name, patient in of_source.items() if name.startswith(f"{source['name']}/")}
            inventory = self.data / "sources" / f"{source['name']}.parquet"
            files = raw_files(inventory, source["reader"], own) if own else {}
            for name, there in files.items():
                for file in there:
                    raw = self.lineage.add(raw_node(source["name"], file.path, file.size, file.sha256))
                    self.lineage.link(f"record:{name}", "was derived from", raw)
                self.lineage.link(f"record:{name}", "was derived from", self.stages.source(source))
        for name in found:
            self.stages.made_by(f"record:{name}", "corpus")

    def model(self, model: str) -> str:
        """The weights that made a record, by their hash, and the outs they lie in."""
        key = f"model:{model}"
        if key not in self.lineage.nodes:
            self.lineage.add(Node(key, "entity", "weights", f"model {model[:16]}", {"sha256": model}))
            for path in ("data/encoder/conditioner", "data/autoencoder", "data/diffusion"):
                self.lineage.link(key, "was derived from", self.stages.out(path))
        return key

    def _fit(self, statement: str) -> str:
        """The simulator's fit of a class, "*" for that of all."""
        path = self.data / "simulator/morphology.parquet"
        with opened(path) as file:
            rows = [row for row in file.read().to_pylist() if row["statement"] == statement]
        facts: dict[str, Any] = {"statement": statement}
        if rows:
            errors = [row["error"] for row in rows if row["error"] is not None]
            facts |= {"records fitted, at most": max(row["count"] for row in rows)}
            facts |= {"mean relative error": round(sum(errors) / len(errors), 4)} if errors else {}
            facts |= {"fitted from": sorted({row["source"] for row in rows})}
        key = self.lineage.add(Node(f"fit:{statement}", "entity", "simulator fit", f"fit of {statement}", facts))
        self.lineage.link(key, "was derived from", self.stages.out("data/simulator"))
        return key

    def _answer(self, key: str, kept: dict[str, Any]) -> None:
        request, answer = kept["request"], kept["answer"]
        facts = {
            name: request[name] for name in ("model", "endpoint", "settings", "prompt", "round") if name in request
        }
        facts |= {"content": answer["content"], "finish_reason": answer["finish_reason"], "usage": answer["usage"]}
        node = Node(f"answer:{kept['key']}", "entity", "answer", f"answer {kept['key'][:16]}", facts)
        self.lineage.link(key, "was derived from", self.lineage.add(node))
        agent = Node(f"llm:{request['model']}", "agent", "language model", request["model"])
        self.lineage.link(node.key, "was attributed to", self.lineage.add(agent))

    def _place(self, found: Found) -> dict[str, Any]:
        return {"file": found.path.relative_to(self.project.root).as_posix(), "row": found.row}


def synthetic_row(folder: Path, name: str, index: int) -> Found:
    """A synthetic record's row, in the shard that its index says: all shards but the last have as many rows.

    Raises:
        UserError: there is none, or its shard is missing or damaged.
    """
    shards = numbered_shards(folder / "records")
    first = next(iter(shards.values()))
    with opened(first) as file:
        size = max(file.metadata.num_rows, 1)
    path = shards.get(index // size)
    found = row_at(path, index % size, ("signal",)) if path else None
    if found is None or found.values["record_id"] != name:
        found = find_rows(shards.values(), "record_id", [name]).get(name)
    if found is None:
        raise UserError(f"{folder} has no record {name}: its first is {_first(first)}, in {len(shards)} shards.")
    return found


def _first(shard: Path) -> str:
    found = row_at(shard, 0, ("signal",))
    return found.values["record_id"] if found else "none"
