"""What `sediff synthesize` does: a request in a file to a dataset in a folder, with the models of the last run."""

import os
from pathlib import Path
from shutil import copyfile

from flows.device import computing_device
from flows.inputs import dataset_facts, embedding_access, pseudonyms_of
from flows.question import require_restrictions
from flows.runners import runner
from flows.stage import DATA, SCHEMA_VERSION, only_one
from flows.synthesis import DATASET, gate_of, runner_on, told
from sediff.datasheet.describe import describe_dataset
from sediff.errors import UserError
from sediff.files import sha256_json, write_json
from sediff.lineage.fingerprint import origin_of
from sediff.params import Params
from sediff.synthesis.plan import Planner
from sediff.synthesis.prompt import require_models
from sediff.synthesis.read import read_request
from sediff.synthesis.shards import Shards
from sediff.synthesis.synthesize import Dataset, metrics, synthesize
from sediff.vocabulary import Vocabulary


def synthesize_request(path: Path, out: Path, seed: int | None, workers: int | None, fresh: bool) -> str:
    """Make a dataset, or what is not there yet of it, and say what it holds.

    The folder gets `records/`, `manifest.json`, `metrics.json`, a copy of the request, and its datasheet.

    Args:
        seed: that of the parameters where none is given.
        workers: processes; one a core where none are given.
        fresh: remove what the folder holds of another dataset.

    Raises:
        UserError: the request is wrong, there are no models, or the folder holds another dataset.
    """
    require_models(DATA)
    params, vocabulary = Params.load(), Vocabulary.load()
    require_restrictions(params)
    request = read_request(path, vocabulary)
    seed = params.reproducibility.seed if seed is None else seed
    device, described = computing_device(params)
    identity = _identity(params, request.digest, seed, described)
    fingerprint = sha256_json(identity)
    dataset = Dataset(
        DATASET,
        request,
        params.synthesis.sampler,
        gate_of(params, DATASET),
        seed,
        fingerprint,
        DATA.resolve(),
        str(device),
        embedding_access(params),
        pseudonyms_of(params),
        out.resolve(),
    )
    records = len(request.plan(Planner(DATA, vocabulary, dataset.pseudonyms, seed)))
    shards = Shards(out)
    with only_one(f"synthesize-{sha256_json(str(out.resolve()))[:16]}"):
        try:
            if fresh:
                shards.remove()
            shards.open(identity)
        except OSError as error:
            raise UserError(f"{out} cannot be written to ({error.strerror}): give another --out.") from None
        wanted = params.runtime.model_copy(update={"workers": workers or len(os.sched_getaffinity(0))})
        synthesize(dataset, records, runner_on(device.type, runner(wanted)))
        found = metrics(shards.records, seed)
        copyfile(path, out / f"request{path.suffix}")
        write_json(out / "metrics.json", found)
        write_json(
            out / "manifest.json",
            {"schema_version": SCHEMA_VERSION, "fingerprint": fingerprint, "records": records, **identity},
        )
        asked = {"file": f"request{path.suffix}", "sha256": request.digest}
        describe_dataset(out, dataset_facts(params, path.stem, asked))
    return f"{told(found)}, in {out}"


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
        "version of sediff": sha256_json(origin.code),
        "kind of device": {name: value for name, value in described.items() if name != "threads"},
    }
