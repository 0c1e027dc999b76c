"""Flow of the synthesis stage: one synthetic dataset for each request."""

import os
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

from flows.device import alike
from flows.inputs import dataset_facts, embedding_access, pseudonyms_of
from flows.runners import runner
from flows.stage import DATA, Context, run
from sediff.datasheet.describe import describe_dataset
from sediff.files import write_json
from sediff.params import PARAMS, Params, RuntimeParams
from sediff.processes import Runner, in_processes
from sediff.synthesis.params import GateParams
from sediff.synthesis.plan import Planner
from sediff.synthesis.read import Request, read_request
from sediff.synthesis.schema import RequestFile
from sediff.synthesis.shards import Shards
from sediff.synthesis.synthesize import (
    THREADS,
    Cohort,
    Dataset,
    Planned,
    metrics,
    models_in,
    rows_of_shards,
    synthesize,
)
from sediff.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

SPLITS = {"evaluation": "test", "augmentation": "train"}
DATASET = "dataset"
COPY = "request"  # a request's name in the dataset's folder, before the suffix


def synthesis(context: Context) -> str:
    """Make the records of one request: `evaluation`, `augmentation` or `dataset`."""
    params, vocabulary = context.params, Vocabulary.load()
    seed, shards, pseudonyms = params.reproducibility.seed, Shards(context.work), pseudonyms_of(params)
    request = request_of(params, context.item, vocabulary)
    records = len(request.plan(Planner(DATA, vocabulary, pseudonyms, seed)))
    devices, shared = spread(context.computing_device, params.runtime)
    dataset = Dataset(
        context.item,
        request,
        params.synthesis.sampler,
        gate_of(params, context.item),
        seed,
        context.fingerprint,
        DATA.resolve(),
        devices,
        embedding_access(params),
        pseudonyms,
        context.work.resolve(),
        models_in(DATA),
        rows_of_shards(records, params.synthesis.sampler.batch_size),
    )
    shards.open({"fingerprint": context.fingerprint})
    synthesize(dataset, records, shared)
    shards.copy(context.out / "records")
    describe_dataset(context.out, dataset_facts(params, context.item, _asked(params, context.item, context.out)))
    found = metrics(context.out / "records", seed)
    write_json(context.report / "metrics.json", found)
    return told(found)


def gate_of(params: Params, item: str) -> GateParams | None:
    """The gate of the user's dataset; what is measured on the others is what the model makes at the first try."""
    gate = params.synthesis.gate
    return gate if item == DATASET and gate.tries else None


def spread(device: "torch.device", runtime: RuntimeParams) -> tuple[tuple[str, ...], Runner]:
    """The devices that make shards, and who works on them: a cluster's workers, or processes of this machine.

    Here that is `runtime.workers` processes of the CPU, of one thread each, or one for each GPU of the same kind.
    """
    for library in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ[library] = str(THREADS)  # of workers that are started from here
    if device.type == "cpu" or runtime.runner != "processes":
        return (device.type,), runner(runtime)
    devices = alike(device)
    return devices, in_processes(len(devices))


def _asked(params: Params, item: str, out: Path) -> Any:
    """What was asked for, as the datasheet tells it; a file lies in the dataset, as `sediff synthesize` leaves it."""
    asked = getattr(params.synthesis, item)
    if not isinstance(asked, RequestFile):
        return params.synthesis.model_dump(mode="json")[item]
    request = asked.found()
    copy = out / f"{COPY}{request.suffix}"
    copyfile(request, copy)
    return {"file": copy.name, "sha256": asked.sha256}


def told(found: dict) -> str:
    """A dataset's metrics in a line."""
    line = f"{found['records']} synthetic records"
    if "gate" not in found:
        return line
    again = found["records"] - found["gate"]["tries"].get("0", 0)
    missed = ", ".join(f"{name} {count}" for name, count in found["gate"]["misses"].items())
    return f"{line}, {again} made again by the gate; missed at last: {missed or 'nothing'}"


def request_of(params: Params, item: str, vocabulary: Vocabulary) -> Planned:
    """What gives the rows of a request."""
    own = params.synthesis
    if item == DATASET:
        if isinstance(own.dataset, RequestFile):
            return read_request(own.dataset.found(), vocabulary)
        return Request.of(own.dataset, vocabulary, f"{PARAMS}: synthesis.dataset")
    return Cohort(SPLITS[item], (own.evaluation if item == "evaluation" else own.augmentation).records)


if __name__ == "__main__":
    run(synthesis, computes=True, items=("evaluation", "augmentation", "dataset"))
