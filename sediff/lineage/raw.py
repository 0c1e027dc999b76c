"""The raw files of a record, with the hashes of the scan, found in the source's inventory by the layout's names."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sediff.lineage.tables import opened

SUFFIXES = (".hea", ".dat", ".mat")  # of a recording's files
EHR = "hosp/"  # the folder of the tables of diagnoses, drugs and procedures
LAST = "\U0010ffff"  # after every character of a path


@dataclass(frozen=True)
class RawFile:
    """A file of a source as it was scanned: path relative to the source's folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Layout:
    """Where a reader's source has its files.

    Attributes:
        stem: the path of a recording without its suffix, from the ids of record and patient without the source's name.
        tables: files beside the recordings that the reader reads.
    """

    stem: Callable[[str, str], str]
    tables: tuple[str, ...] = ()


def _ptb_xl(folder: str, ending: str) -> Layout:
    return Layout(
        lambda record, _: f"{folder}/{int(record) // 1000 * 1000:05d}/{record}_{ending}", ("ptbxl_database.csv",)
    )


LAYOUTS: Mapping[str, Layout] = {
    "ptb-xl": _ptb_xl("records100", "lr"),
    "ptb-xl-500": _ptb_xl("records500", "hr"),
    "mimic-iv-ecg": Layout(
        lambda record, patient: f"files/p{patient[:4]}/p{patient}/s{record}/{record}",
        ("record_list.csv", "machine_measurements.csv", "patients.csv"),
    ),
    "ludb": Layout(lambda record, _: f"data/{record}", ("ludb.csv",)),
    "challenge": Layout(lambda record, _: record),
    "wfdb": Layout(lambda record, _: record),
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
    for file in _between(inventory, [(path, path) for path in owners]):
        found[owners[file.path]].append(file)
    return found


def table_files(inventory: Path, reader: str) -> list[RawFile]:
    """Files of a source that speak of many records: the reader's tables, and those of an EHR.

    Raises:
        UserError: the inventory is missing or damaged.
    """
    tables = LAYOUTS[reader].tables if reader in LAYOUTS else ()
    return list(_between(inventory, [(EHR, EHR + LAST), *((name, name) for name in tables)]))


def count_files(inventory: Path) -> int:
    """How many files the scan found."""
    with opened(inventory) as file:
        return int(file.metadata.num_rows)


def _stem(reader: str, record: str, patient: str) -> str:
    try:
        return LAYOUTS[reader].stem(record, patient)
    except (KeyError, ValueError):  # a reader that is not known here, an id of another layout
        return ""


def _between(inventory: Path, ranges: Iterable[tuple[str, str]]) -> Iterator[RawFile]:
    """The files whose paths lie in one of the ranges, ends included; row groups that can have none are not read."""
    ordered = sorted(ranges)
    with opened(inventory) as file:
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group).column(0).statistics
            known = about is not None and about.has_min_max
            near = [(first, last) for first, last in ordered if not known or (first <= about.max and about.min <= last)]
            if near:
                columns = file.read_row_group(group).combine_chunks()
                paths = columns["path"].chunk(0)
                for first, last in near:
                    place = bisect_left(range(len(paths)), first, key=lambda row: paths[row].as_py())
                    while place < len(paths) and paths[place].as_py() <= last:
                        yield RawFile(*(columns[name][place].as_py() for name in ("path", "size", "sha256")))
                        place += 1
