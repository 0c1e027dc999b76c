"""Whether a corpus is large enough for the stages that follow, asked hours before the one that would refuse it."""

from collections import Counter
from pathlib import Path

from sediff.encoder.data import is_judges
from sediff.encoder.params import EncoderParams
from sediff.errors import UserError
from sediff.records import read_batches, shards

COLUMNS = ("split", "patient_id", "statements")
FEWEST = 2  # training records of the conditioner, and of the judges


def require_enough(records: Path, params: EncoderParams) -> None:
    """Refuse what a later stage cannot work with; it changes no byte of the corpus, so the stage depends on no encoder.

    Raises:
        UserError: names all that is missing.
    """
    splits, parts, cases = Counter[str](), Counter[str](), Counter[str]()
    for path in shards(records):
        for batch in read_batches(path, COLUMNS):
            for split, patient, statements in zip(*(batch[name].to_pylist() for name in COLUMNS), strict=True):
                splits[split] += 1
                if split == "train":
                    part = "judges" if is_judges(patient, params.judges_share) else "conditioner"
                    parts[part] += 1
                    cases.update(statements if part == "judges" else ())
    judges, most = params.judges, max(cases.values(), default=0)
    wanted = judges.statement.min_cases
    missing = [f"{split} records: 0, at least 1" for split in ("train", "test") if not splits[split]]
    missing += [
        f"training records for the {part} (encoder.judges_share): {parts[part]}, at least {FEWEST}"
        for part in ("conditioner", "judges")
        if parts[part] < FEWEST
    ]
    if most < wanted and (params.retrain or not judges.pinned):
        missing.append(
            f"records of one statement that the judges learn from: {most}, at least "
            f"encoder.judges.statement.min_cases = {wanted}"
        )
    if missing:
        raise UserError(
            f"The corpus, of {splits.total()} records, is too small for the stages that follow ({'; '.join(missing)}): "
            "add records, or lower what is named."
        )
