"""From a pseudonym back to the record, for who holds the key and the corpus."""

from pathlib import Path

from sediff.errors import UserError
from sediff.files import read_out
from sediff.pseudonyms import Pseudonyms, identifier_of
from sediff.records import read_batches, shards

EXPERIENCE = "experience:"  # what an experience's id has before the record's


def trace(pseudonym: str, corpus: Path, pseudonyms: Pseudonyms) -> tuple[str, str]:
    """Ids of the record that a pseudonym, or the id of its experience, stands for, and of its patient.

    Args:
        corpus: the stage's folder.
        pseudonyms: of the sources that are configured.

    Raises:
        UserError: it is of no restricted source, or of one of the corpus that is configured no more, or no record of
            the corpus has it under this key.
    """
    wanted, records = pseudonym.removeprefix(EXPERIENCE), corpus / "records"
    if not pseudonyms.hides(wanted):
        source = wanted.partition("/")[0]
        if source in _restricted_in(corpus):
            raise UserError(
                f"{corpus} holds {source}, which is restricted, and params.yaml does not name it: configure it again "
                f"to trace {pseudonym}."
            )
        names = ", ".join(sorted(pseudonyms.restricted)) or "none"
        raise UserError(f"{pseudonym} is no pseudonym of a restricted source ({names}): other ids are as they are.")
    for path in shards(records):
        for batch in read_batches(path, ["record_id", "patient_id"]):
            for row in batch.to_pylist():
                if pseudonyms.of(row["record_id"]) == wanted:
                    return row["record_id"], row["patient_id"]
    raise UserError(
        f"No record in {records} has the pseudonym {pseudonym} under key {identifier_of(pseudonyms.key)}: trace it in "
        "a clone that has the corpus and the key it was made with."
    )


def _restricted_in(corpus: Path) -> set[str]:
    """The restricted sources that a corpus was made of, whatever is configured now; none where there is no corpus."""
    manifest = corpus / "manifest.json"
    sources = read_out(manifest)["parameters"]["corpus"]["sources"] if manifest.exists() else []
    return {source["name"] for source in sources if source["sharing"] == "restricted"}
