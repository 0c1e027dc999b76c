"""What the sources say of their records, in the project's statements; records stream from the readers to disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sediff.caches import with_cache
from sediff.corpus.inventory import Inventory
from sediff.corpus.listing import Listed, Listing
from sediff.corpus.readers import READERS, RawRecord, Rejection
from sediff.exclusions import NOBODY, Exclusions
from sediff.language import detect_language
from sediff.sources import Source, check_unchanged
from sediff.vocabulary import Vocabulary

LISTED = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("suffix", pa.string(), nullable=False),
        pa.field("rate", pa.float64()),
        pa.field("gain", pa.float64()),
        pa.field("recorded_at", pa.string(), nullable=False),
        pa.field("fold", pa.int64()),
        pa.field("age", pa.float32()),
        pa.field("sex", pa.string()),
        pa.field("statements", pa.list_(pa.string()), nullable=False),
        pa.field("likelihoods", pa.list_(pa.float32()), nullable=False),
        pa.field("uncertain", pa.list_(pa.string()), nullable=False),
        pa.field("unmapped", pa.list_(pa.string()), nullable=False),
        pa.field("report", pa.string(), nullable=False),
        pa.field("original_report", pa.string(), nullable=False),
        pa.field("report_language", pa.string(), nullable=False),
        pa.field("human_validated", pa.bool_(), nullable=False),
        pa.field("site", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
    ]
)


def list_records(
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    min_likelihood: float,
    listing: Listing,
    headers: Path,
    exclusions: Exclusions = NOBODY,
) -> tuple[int, int]:
    """Fill a listing with all sources' records. Returns how many headers were opened, and how many records withdrawn.

    Args:
        min_likelihood: percent from which on an SCP statement is present; below it is uncertain.
        headers: database of the headers that were read before, by hash; made where it is missing.
        exclusions: whom to leave out.

    Raises:
        UserError: a source's table cannot be read, a table or header changed since it was scanned, or the disk is full.
    """
    return with_cache(headers, lambda: _list_records(sources, vocabulary, min_likelihood, listing, headers, exclusions))


def _list_records(
    sources: Sequence[Source],
    vocabulary: Vocabulary,
    min_likelihood: float,
    listing: Listing,
    headers: Path,
    exclusions: Exclusions,
) -> tuple[int, int]:
    inventory = Inventory(headers, exclusions)
    withdrawn = 0
    for source in sources:
        inventory.add(source)

    def entries() -> Iterator[Listed | Rejection]:
        nonlocal withdrawn
        for source in sources:
            for entry in _entries(source, inventory):
                patient_id = "" if isinstance(entry, Rejection) else entry.patient_id
                if exclusions.leaves_out(entry.record_id, patient_id):
                    withdrawn += 1
                    continue
                if isinstance(entry, Rejection):
                    yield entry
                    continue
                header, signal = (inventory.sha256(source.name, name) for name in entry.files)
                yield Listed(_said(entry, vocabulary, min_likelihood), (header, signal))

    listing.fill(entries())
    inventory.close()
    return inventory.opened, withdrawn


def _entries(source: Source, inventory: Inventory) -> Iterator[RawRecord | Rejection]:
    """What a source's reader gives, of tables that are before and after it those of the scan."""
    reader = READERS[source.reader]
    found = {name: inventory.sha256(source.name, name) for name in reader.tables}
    check_unchanged(source, found, reader.tables)
    yield from reader(source.name, source.root, inventory.reader(source)).records()
    check_unchanged(source, found, reader.tables)


def _said(record: RawRecord, vocabulary: Vocabulary, min_likelihood: float) -> dict[str, Any]:
    """`LISTED`'s columns of one record: what any of its codes and lines says is present, possible or not understood."""
    present: dict[str, float] = {}
    uncertain: set[str] = set()
    unmapped: list[str] = []
    coded = record.scp or record.snomed or record.lines
    for reading in (
        vocabulary.from_codes(record.scp, min_likelihood),
        vocabulary.from_snomed(record.snomed),
        vocabulary.from_text(record.lines if coded else record.report),
    ):
        present = {code: reading.statements[code].likelihood for code in reading.codes("present")} | present
        uncertain |= set(reading.codes("uncertain"))
        unmapped += reading.unmapped
    codes, possible = sorted(present), sorted(uncertain - set(present))
    axis = record.axis if vocabulary.knows_axis(record.axis) else ""
    stages = tuple(stage for stage in record.stages if vocabulary.knows_stage(stage))
    unmapped += [word for word in (record.axis, *record.stages) if word and word not in (axis, *stages)]
    return {
        "record_id": record.record_id,
        "patient_id": record.patient_id,
        "source": record.source,
        "path": record.path.as_posix(),
        "suffix": record.suffix,
        "rate": record.rate,
        "gain": record.gain,
        "recorded_at": record.recorded_at,
        "fold": record.fold,
        "age": record.age,
        "sex": record.sex,
        "statements": codes,
        "likelihoods": [present[code] for code in codes],
        "uncertain": possible,
        "unmapped": sorted(set(unmapped)),
        "report": vocabulary.describe(codes, possible, axis, stages),
        "original_report": record.report or "\n".join(record.lines),
        "report_language": detect_language(record.report or "\n".join(record.lines)),
        "human_validated": record.human_validated,
        "site": record.site,
        "device": record.device,
    }
