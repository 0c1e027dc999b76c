"""What `sediff synthesize` does: a request in a file to a dataset in a folder, with the models of the last run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copyfile

import polars as pl
from joblib import cpu_count

from flows.computing import computing
from flows.inputs import dataset_facts, embedding_access, pseudonyms_of
from flows.question import require_restrictions
from flows.stage import DATA, SCHEMA_VERSION, only_one
from flows.synthesis import COPY, DATASET, gate_of, spread, told
from sediff.datasheet.describe import DESCRIPTION, describe_dataset
from sediff.errors import UserError
from sediff.files import sha256_json, write_json
from sediff.lineage.audit import OF_TWO_STAGES
from sediff.lineage.fingerprint import origin_of
from sediff.params import INTERVALS, Params, asks_intervals
from sediff.synthesis.explain import explanation
from sediff.synthesis.plan import Planner
from sediff.synthesis.prompt import require_models
from sediff.synthesis.read import Request, read_request
from sediff.synthesis.shards import IDENTITY, JOURNAL, MANIFEST, Shards
from sediff.synthesis.synthesize import Dataset, metrics, models_in, rows_of_shards, synthesize
from sediff.vocabulary import Vocabulary

METRICS = "metrics.json"
TOLD = (MANIFEST, METRICS, *DESCRIPTION)
VERSION, DEVICE = "version of sediff", "kind of device"  # what may have changed since a dataset was made that is read


def synthesize_request(
    path: Path, out: Path, seed: int | None, workers: int | None, fresh: bool, explain: bool = False
) -> list[str]:
    """Make a dataset, or what is not there yet of it, and say what it holds.

    The folder gets `records/`, `manifest.json`, `metrics.json`, a copy of the request, and its datasheet.

    Args:
        seed: that of the parameters where none is given.
        workers: processes; one where none are given for each core that this process may use.
        fresh: remove what the folder holds of another dataset.
        explain: say what experience the records rest on; of a finished dataset that another version of sediff made, or
            another kind of device, it only reads.

    Raises:
        UserError: the request is wrong, there are no models, the folder holds another dataset or other files, or it
            cannot be written to.
    """
    require_models(DATA)
    params, vocabulary = Params.load(), Vocabulary.load()
    require_restrictions(params)
    request = read_request(path, vocabulary)
    _require_morphology(request, path)
    seed = params.reproducibility.seed if seed is None else seed
    device, described = computing(params)
    identity = _identity(params, request.digest, seed, described)
    fingerprint = sha256_json(identity)
    pseudonyms = pseudonyms_of(params)
    records = len(request.plan(Planner(DATA, vocabulary, pseudonyms, seed)))
    wanted = params.runtime.model_copy(update={"workers": workers or cpu_count()})
    devices, shared = spread(device, wanted)
    dataset = Dataset(
        DATASET,
        request,
        params.synthesis.sampler,
        gate_of(params, DATASET),
        seed,
        fingerprint,
        DATA.resolve(),
        devices,
        embedding_access(params),
        pseudonyms,
        out.resolve(),
        models_in(DATA),
        rows_of_shards(records, params.synthesis.sampler.batch_size),
    )
    shards = Shards(out)
    with only_one(f"synthesize-{sha256_json(str(out.resolve()))[:16]}"), ExitStack() as held:
        with _writing(out):
            _require_none_but_ours(out)
            held.enter_context(_alone_in(out))
            if (
                explain
                and not fresh
                and shards.finished_with_other((VERSION, DEVICE), identity, dataset.shards(records))
            ):
                return [*explanation(shards.records), f"{told(metrics(shards.records, seed))}, in {out}"]
            if fresh:
                _remove_told(out, path)
                shards.remove()
            shards.open(identity)
        synthesize(dataset, records, shared)
        found = metrics(shards.records, seed)
        copy = out / f"{COPY}{path.suffix}"
        called = f"{DATASET}-{request.digest[:8]}"  # by what was asked, whatever its file is called
        facts = dataset_facts(params, called, {"file": copy.name, "sha256": request.digest})
        with _writing(out):
            if not (copy.exists() and copy.samefile(path)):
                copyfile(path, copy)
            write_json(out / METRICS, found)
            describe_dataset(out, facts)
            write_json(
                out / MANIFEST,
                {"schema_version": SCHEMA_VERSION, "fingerprint": fingerprint, "records": records, **identity},
            )
    return [*(explanation(shards.records) if explain else []), f"{told(found)}, in {out}"]


def _require_morphology(request: Request, path: Path) -> None:
    """Refuse intervals that the models cannot follow before a folder is opened, or an older dataset removed."""
    if (DATA / OF_TWO_STAGES).is_file():
        return
    if request.table is None:
        asked = any(map(asks_intervals, request.parts))
    else:
        table = pl.scan_parquet(request.table)
        columns = [name for name in INTERVALS if name in table.collect_schema()]
        asked = (
            bool(columns)
            and not table.filter(pl.any_horizontal(pl.col(columns).is_not_null())).head(1).collect().is_empty()
        )
    if asked:
        raise UserError(
            f"{path} asks for {', '.join(INTERVALS)} or one of them, which only models with a morphology follow: leave "
            "them out, or set diffusion.denoiser.morphology to true and `sediff run` again."
        )


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Hold the folder itself, for another clone may make the same dataset in it.

    Raises:
        UserError: another process has it.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(f"Another process makes a dataset in {out}: wait for it, or give another --out.") from None
    finally:
        os.close(folder)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Say in a sentence that the folder cannot be written to, or that the disk is full."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{out} cannot be written to ({error.strerror or error}): mend that and run again, or give another --out."
        ) from None


def _require_none_but_ours(out: Path) -> None:
    """Refuse a folder of other files, some of which a dataset's README.md, metrics.json and so on would replace.

    A journal without an identity is what is left where the disk was full before the first record.
    """
    if not out.is_dir() or (out / JOURNAL / IDENTITY).is_file():
        return
    other = min((path.name for path in out.iterdir() if path.name != JOURNAL), default=None)
    if other is not None:
        raise UserError(f"{out} holds {other}, which is no part of a dataset made here: give another --out, a new one.")


def _remove_told(out: Path, request: Path) -> None:
    """Remove what the folder says of the last dataset, first that it is whole.

    The copy of its request may have another suffix; never is it the request itself.
    """
    for name in TOLD:
        (out / name).unlink(missing_ok=True)
    for copy in out.glob(f"{COPY}*"):
        if copy.stem == COPY and copy.is_file() and not copy.samefile(request):
            copy.unlink()


def _identity(params: Params, request: str, seed: int, described: dict[str, str]) -> dict:
    """What the dataset is a function of, as a sentence calls it: "another seed"."""
    origin = origin_of(Path(), f"synthesis@{DATASET}", {})
    return {
        "request": request,
        "seed": seed,
        "sampler": params.synthesis.sampler.model_dump(),
        "gate": params.synthesis.gate.model_dump(),
        "pseudonym key": params.pseudonyms.key,
        "model": sha256_json(origin.inputs),
        VERSION: sha256_json(origin.code),
        DEVICE: {name: value for name, value in described.items() if name != "threads"},
    }
