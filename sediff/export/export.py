"""A synthetic dataset to a folder in another format, with its datasheet; the folder appears when it is whole."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from sediff.datasheet.counts import COLUMNS, count
from sediff.datasheet.describe import describe
from sediff.datasheet.facts import read_facts
from sediff.errors import UserError
from sediff.export.dataset import SyntheticDataset
from sediff.export.formats import FORMATS
from sediff.files import read_json
from sediff.synthesis.shards import JOURNAL, MANIFEST


def export(folder: Path, name: str, out: Path, first: int | None = None, indices: Sequence[int] | None = None) -> str:
    """Write the dataset in `folder`, or some of its records, to `out` in the format `name`; returns what was done.

    Raises:
        UserError: there is no such format or dataset, it is not whole, `out` holds something, or cannot be written to.
    """
    if name not in FORMATS:
        raise UserError(f"There is no format {name}: there are {', '.join(FORMATS)}.")
    dataset = SyntheticDataset(folder, first, indices)
    _require_whole(dataset)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} is there already: give another --out, or move what is there.")
    with _appearing(out) as part:
        FORMATS[name](dataset, part)
        describe(part, read_facts(folder), name, count(dataset.tables(COLUMNS)), dataset.columns)
    return f"{len(dataset)} synthetic records as {name} in {out}"


def _require_whole(dataset: SyntheticDataset) -> None:
    """Refuse a dataset that `sediff synthesize` has begun and not finished, of which its datasheet does not speak."""
    manifest = dataset.folder / MANIFEST
    if not (dataset.folder / JOURNAL).is_dir():
        return
    rows = sum(pq.read_metadata(path).num_rows for path in dataset.paths)
    if not manifest.is_file() or read_json(manifest).get("records") != rows:
        raise UserError(
            f"{dataset.folder} is not finished: run the `sediff synthesize` that began it again, then export."
        )


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn what goes wrong in writing below `folder` into a sentence.

    Raises:
        UserError: no permission, no room, or no folder.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}): give another --out, or make room."
        ) from None


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes it at the end; what a killed call left is removed by the next."""
    part = out.absolute().with_name(f".{out.absolute().name}.part")
    with writable(out):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            if out.is_dir():
                out.rmdir()
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
