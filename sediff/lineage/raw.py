"""The raw files of a record, with the hashes of the scan, found in the source's inventory by the layout's names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sediff.lineage.tables import opened

SUFFIXES = (".hea", ".dat", ".mat")  # of a recording's files
TABLES = (".csv", ".gz")  # of files that speak of many records: whose they are, diagnoses, drugs
LUDB = "data"  # the folder below which LUDB's recordings lie


@dataclass(frozen=True)
class RawFile:
    """A file of a source as it was scanned: path relative to the source's folder."""

    path: str
    size: int
    sha256: str


def _ptb_xl(folder: str, ending: str) -> Callable[[str, str], str]:
    return lambda record, _: f"{folder}/{int(record) // 1000 * 1000:05d}/{record}_{ending}"


def _mimic(record: str, patient: str) -> str:
    return f"files/p{patient[:4]}/p{patient}/s{record}/{record}"


# By reader: the path of a recording without its suffix, from the ids of record and patient without the source's name.
LAYOUTS: Mapping[str, Callable[[str, str], str]] = {
    "ptb-xl": _ptb_xl("records100", "lr"),
    "ptb-xl-500": _ptb_xl("records500", "hr"),
    "mimic-iv-ecg": _mimic,
    "ludb": lambda record, _: f"{LUDB}/{record}",
    "challenge": lambda record, _: record,
    "wfdb": lambda record, _: record,
}


def raw_files(inventory: Path, reader: str, patients: Mapping[str, str]) -> dict[str, list[RawFile]]:
    """Header and signal of each record, as far as the inventory has them under the layout's names.

    Args:
        inventory: of the source, sorted by path.
        patients: ids of records, and of their patients.

    Raises:
        UserError: the inventory is missing or damaged.
    """
    owners: dict[str, str] = {}
    for record, patient in patients.items():
        stem = _stem(reader, record.partition("/")[2], patient.partition("/")[2])
        owners |= {f"{stem}{suffix}": record for suffix in SUFFIXES if stem}
    found: dict[str, list[RawFile]] = {record: [] for record in patients}
    for file in _listed(inventory, sorted(owners)):
        found[owners[file.path]].append(file)
    return found


def table_files(inventory: Path) -> list[RawFile]:
    """Files of a source that speak of many records."""
    with opened(inventory) as file:
        batches = (file.read_row_group(group) for group in range(file.num_row_groups))
        chosen = [part.filter(_ends_with(part["path"], TABLES)) for part in batches]
    return [RawFile(**row) for part in chosen for row in part.to_pylist()]


def _ends_with(paths: pa.ChunkedArray, endings: tuple[str, ...]) -> pa.ChunkedArray:
    first, *others = (pc.ends_with(paths, ending) for ending in endings)
    for other in others:
        first = pc.or_(first, other)
    return first


def _stem(reader: str, record: str, patient: str) -> str:
    try:
        return LAYOUTS[reader](record, patient)
    except (KeyError, ValueError):  # a reader that is not known here, an id of another layout
        return ""


def _listed(inventory: Path, wanted: list[str]) -> list[RawFile]:
    """The rows of these paths; a row group whose range has none of them is not read."""
    rows: list[RawFile] = []
    with opened(inventory) as file:
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group).column(0).statistics
            near = [path for path in wanted if about is None or about.min <= path <= about.max]
            if near:
                part = file.read_row_group(group)
                rows += [RawFile(**row) for row in part.filter(_any_of(part, near)).to_pylist()]
    return rows


def _any_of(part: pa.Table, paths: list[str]) -> pa.ChunkedArray:
    return pc.is_in(part["path"], value_set=pa.array(paths, pa.string()))


def count_files(inventory: Path) -> int:
    """How many files the scan found."""
    with opened(inventory) as file:
        return int(file.metadata.num_rows)
