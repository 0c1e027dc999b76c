"""Croissant 1.0 metadata, with which machine-learning tools find and load a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

import sediff
from sediff.datasheet.columns import COLUMNS_TOLD
from sediff.datasheet.facts import SCHEMA_VERSION, Facts
from sediff.datasheet.layouts import PARQUET, Layout
from sediff.datasheet.origins import Origin
from sediff.files import sha256_file

OWN = ("citeAs", "column", "conformsTo", "extract", "field", "fileObject", "fileSet", "includes", "recordSet",
       "repeated", "source")  # fmt: skip
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    **{name: f"cr:{name}" for name in OWN},
    "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}
FILES, TABLE = "signals", "rows"


def croissant(
    folder: Path, facts: Facts, description: str, layout: Layout, schema: pa.Schema, origins: Sequence[Origin]
) -> dict[str, Any]:
    """Metadata of a dataset in `folder`, whose table, if it has one, has the columns of `schema`.

    There is no date: the same dataset has the same metadata.
    """
    metadata: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"sediff-{facts.name}",
        "description": description,
        "version": f"{SCHEMA_VERSION}.0.0",
        "creator": {"@type": "sc:Organization", "name": f"sediff {sediff.__version__}"},
        "keywords": ["electrocardiogram", "12-lead ECG", "synthetic"],
        "distribution": [_files(folder, FILES, layout.files, layout.media_type)],
    }
    licences = sorted({origin.url for origin in origins})
    if licences and all(licences):
        metadata["license"] = licences
    else:
        metadata["usageInfo"] = "No licence is given: see README.md."
    if cited := [origin.citation for origin in origins if origin.citation]:
        metadata["citeAs"] = "; ".join(cited)
    if layout.table:
        table = FILES
        if layout.table != layout.files:
            table = TABLE
            metadata["distribution"].append(_files(folder, TABLE, layout.table, PARQUET))
        metadata["recordSet"] = [_record_set(table, "*" in layout.table, schema)]
    return metadata


def _files(folder: Path, name: str, pattern: str, media_type: str) -> dict[str, Any]:
    """One file with its hash, or a set of files."""
    if "*" in pattern:
        return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": media_type, "includes": pattern}
    hashed = {"contentUrl": pattern, "sha256": sha256_file(folder / pattern)}
    return {"@type": "cr:FileObject", "@id": name, "name": pattern, "encodingFormat": media_type, **hashed}


def _record_set(table: str, is_set: bool, schema: pa.Schema) -> dict[str, Any]:
    """A field for each column that Croissant has a type for: it knows no packed signals."""
    source = {"fileSet" if is_set else "fileObject": {"@id": table}}
    fields = []
    for column in schema:
        is_list = pa.types.is_list(column.type)
        kind = _kind(column.type.value_type if is_list else column.type)
        if kind:
            fields.append(
                {
                    "@type": "cr:Field",
                    "@id": f"records/{column.name}",
                    "name": column.name,
                    **({"description": COLUMNS_TOLD[column.name]} if column.name in COLUMNS_TOLD else {}),
                    "dataType": kind,
                    **({"repeated": True} if is_list else {}),
                    "source": {**source, "extract": {"column": column.name}},
                }
            )
    return {"@type": "cr:RecordSet", "@id": "records", "name": "records", "field": fields}


def _kind(of: pa.DataType) -> str:
    if pa.types.is_string(of):
        return "sc:Text"
    if pa.types.is_boolean(of):
        return "sc:Boolean"
    if pa.types.is_integer(of):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(of) else ""
