"""`sediff verify --rebuild`: a sample of synthetic records made again with the models that are here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flows.computing import computing
from flows.inputs import embedding_access, pseudonyms_of
from flows.stage import DATA
from flows.synthesis import request_of
from sediff.lineage.project import Project
from sediff.lineage.rebuild import differences, sample_of
from sediff.lineage.verify import REQUEST, Verdict
from sediff.params import Params
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.plan import Planner
from sediff.synthesis.synthesize import THREADS
from sediff.vocabulary import Vocabulary


def rebuild_records(count: int, verdict: Verdict) -> None:
    """Add to a verdict how many of so many records come out the same; on another device, how far they differ.

    Raises:
        UserError: a model, table or parameter is missing or damaged.
    """
    params, vocabulary, project = Params.load(), Vocabulary.load(), Project(Path())
    device, described = computing(params)
    torch.set_num_threads(THREADS)
    generator = EcgGenerator.load(DATA, vocabulary, device, embedding_access(params))
    requests = [name.removeprefix(REQUEST) for name in project.recorded if name.startswith(REQUEST)]
    rows = sample_of(DATA / "synthesis", requests, count)
    planner = Planner(DATA, vocabulary, pseudonyms_of(params), params.reproducibility.seed)
    asked = {name: request_of(params, name, vocabulary).plan(planner) for name in {row["request"] for row in rows}}

    def make(rows: Sequence[dict[str, Any]]) -> NDArray[np.int16]:
        slots = [Slot(row["seed"], row["index"], row["try"]) for row in rows]
        wanted = [asked[row["request"]].rows(row["index"], row["index"] + 1)[0] for row in rows]
        return generator.make(wanted, slots, params.synthesis.sampler)

    found = differences(rows, make)
    for request in sorted(asked):
        made_on = project.manifest(f"{REQUEST}{request}")["device"]
        other = [one for name, one in found.items() if name.startswith(f"{request}/")]
        if made_on != described:
            verdict.checked.append(
                f"{request} was made on {_told(made_on)}, and this is {_told(described)}: {len(other)} records differ, "
                f"by {max((one.microvolts for one in other), default=0)} µV at most"
            )
            continue
        for one in other:
            why = f"made again, {one.samples} samples are others, by {one.microvolts} µV at most"
            verdict.add(f"record {one.record_id}", why)
    verdict.checked.append(f"made again: {len(rows)} records, {len(rows) - len(found)} of them byte for byte the same")


def _told(device: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in device.items())
