"""From a pseudonym back to the record, for who holds the key and the corpus."""

from pathlib import Path

import pyarrow.parquet as pq

from sediff.errors import UserError
from sediff.pseudonyms import Pseudonyms, identifier_of
from sediff.records import shards

EXPERIENCE = "experience:"  # what an experience's id has before the record's


def trace(pseudonym: str, records: Path, pseudonyms: Pseudonyms) -> tuple[str, str]:
    """Ids of the record that a pseudonym, or the id of its experience, stands for, and of its patient.

    Raises:
        UserError: it is of no restricted source, or no record of the corpus has it under this key.
    """
    wanted = pseudonym.removeprefix(EXPERIENCE)
    if not pseudonyms.hides(wanted):
        names = ", ".join(sorted(pseudonyms.restricted)) or "none"
        raise UserError(f"{pseudonym} is no pseudonym of a restricted source ({names}): other ids are as they are.")
    for path in shards(records):
        for batch in pq.ParquetFile(path).iter_batches(columns=["record_id", "patient_id"]):
            for row in batch.to_pylist():
                if pseudonyms.of(row["record_id"]) == wanted:
                    return row["record_id"], row["patient_id"]
    raise UserError(
        f"No record in {records} has the pseudonym {pseudonym} under key {identifier_of(pseudonyms.key)}: trace it in "
        "a clone that has the corpus and the key it was made with."
    )
