"""Write what a dataset folder says of itself: README.md, croissant.json, dataset.json and SHA256SUMS."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sediff.datasheet.checksums import FILE as CHECKSUMS
from sediff.datasheet.checksums import write_checksums
from sediff.datasheet.counts import COLUMNS, Counts, count
from sediff.datasheet.croissant import croissant
from sediff.datasheet.facts import FILE, SCHEMA_VERSION, Facts
from sediff.datasheet.layouts import LAYOUTS
from sediff.datasheet.origins import origin_of
from sediff.datasheet.readme import WARNING, datasheet, description
from sediff.ecg import LEADS, SAMPLING_RATE
from sediff.files import replacing, write_json
from sediff.records import read_batches, shards

README, CROISSANT = "README.md", "croissant.json"
DESCRIPTION = (FILE, CROISSANT, README, CHECKSUMS)


def describe_dataset(folder: Path, facts: Facts) -> None:
    """Describe a dataset of `records/shard-*.parquet`: the same bytes for the same records and facts."""
    paths = shards(folder / "records")
    batches = (batch for path in paths for batch in read_batches(path, COLUMNS))
    describe(folder, facts, "parquet", count(batches), pq.read_schema(paths[0]))


def describe(folder: Path, facts: Facts, layout: str, counts: Counts, schema: pa.Schema) -> None:
    """Describe a folder that holds a dataset in some layout.

    Args:
        layout: one of `LAYOUTS`.
        schema: columns of its table, where it has one.
    """
    origins = list(dict.fromkeys(map(origin_of, facts.sources)))
    about = {
        "schema_version": SCHEMA_VERSION,
        "warning": WARNING,
        **facts.as_json(),
        "layout": layout,
        "leads": LEADS,
        "sampling_rate": SAMPLING_RATE,
        "unit": "µV",
        "licences": {origin.title: origin.licence for origin in origins},
        "attribution": [origin.citation for origin in origins if origin.citation],
        **counts.as_json(),
    }
    write_json(folder / FILE, about)
    metadata = croissant(folder, facts, description(facts, counts), LAYOUTS[layout], schema, origins)
    write_json(folder / CROISSANT, metadata)
    with replacing(folder / README) as temporary:
        temporary.write_text(datasheet(facts, counts, LAYOUTS[layout], schema.names, origins, LEADS), encoding="utf-8")
    write_checksums(folder)
