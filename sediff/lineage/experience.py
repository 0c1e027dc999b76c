"""What a language model was asked and answered for an experience, found again from the stage's own tables.

An answer is kept under the hash of what was asked. The prompt is composed again from the rows that it was composed of,
and all else of a request (model, settings, instructions) is the same in each answer that the stage's out holds.
"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from sediff.files import sha256_json
from sediff.lineage.tables import find_rows, opened

ANSWERS, PROFILES, EXPERIENCES = "answers.parquet", "profiles.parquet", "experience.parquet"
NO_NEIGHBOUR = "no similar patient"  # why nobody was asked
DIGITS, SHORT = 3, 1e-6  # of similarities in a prompt; more than what float32 takes from one


def answers_of(knowledge: Path, experience: dict[str, Any]) -> list[dict[str, Any]]:
    """Requests and answers behind an experience, in their order, the one that counted last; none of the offline one.

    Args:
        knowledge: the stage's folder.
        experience: a row of its table.

    Raises:
        UserError: a table is damaged.
    """
    path = knowledge / ANSWERS
    asked = experience["distiller"].startswith("llm:") or experience["fallback_reason"] not in (None, NO_NEIGHBOUR)
    if not asked or not path.is_file():
        return []
    common = _template(path) | {"round": 0}
    requests = [common | {"prompt": prompt} for prompt in _roundings(prompt_of(knowledge, experience), experience)]
    keys = {sha256_json(request): request for request in requests}
    request = next((keys[key] for key in find_rows([path], "key", keys, [])), requests[0])
    found: list[dict[str, Any]] = []
    number = 0
    while (kept := _kept(path, request | {"round": number})) is not None:
        found.append(kept)
        again = _kept(path, request | {"round": number, "after": sha256_json(kept["answer"])})
        found += [again] if again else []
        number += 1
    return found


def prompt_of(knowledge: Path, experience: dict[str, Any]) -> dict[str, Any]:
    """What a language model was shown for an experience, composed again from the stage's tables."""
    import numpy as np
    import polars as pl

    from sediff.knowledge.build import SHOWN
    from sediff.knowledge.experience import SCHEMA, statistics_of
    from sediff.knowledge.prompt import prompts
    from sediff.knowledge.retrieval import Neighbours
    from sediff.knowledge.statistics import measurements, sufficient
    from sediff.knowledge.weights import neighbour_weights
    from sediff.vocabulary import Vocabulary

    names = experience["neighbours"]
    rows = find_rows([knowledge / PROFILES], "record_id", [experience["record_id"], *names])
    own, *near = (
        pl.DataFrame([rows[name].values], infer_schema_length=1) for name in (experience["record_id"], *names)
    )
    training = pl.concat(near, how="vertical_relaxed")
    neighbours = Neighbours(np.arange(len(names))[None], np.array([experience["similarities"]], np.float64))
    statistics = statistics_of(pl.DataFrame([experience], schema=SCHEMA))
    expected = sufficient(statistics, neighbours, neighbour_weights(neighbours, own, training), measurements(training))
    shown = Neighbours(neighbours.rows[:, :SHOWN], neighbours.similarities[:, :SHOWN])
    return prompts(own, shown, expected, training, Vocabulary.load())[0]


def _roundings(prompt: dict[str, Any], experience: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The prompt with each similarity as it may have been rounded: the table has fewer digits than the stage had."""
    near = prompt["neighbours"]
    options = [
        sorted({round(similarity - SHORT, DIGITS), round(similarity + SHORT, DIGITS)})
        for similarity in experience["similarities"][: len(near)]
    ]
    for chosen in product(*options):
        shown = [one | {"similarity": similarity} for one, similarity in zip(near, chosen, strict=True)]
        yield prompt | {"neighbours": shown}


def _template(path: Path) -> dict[str, Any]:
    """What all requests of the stage's run have in common."""
    with opened(path) as file:
        text = file.read_row_group(0, columns=["answer"])["answer"][0].as_py()
    request = json.loads(text)["request"]
    return {name: value for name, value in request.items() if name not in ("prompt", "round", "after")}


def _kept(path: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    key = sha256_json(request)
    found = find_rows([path], "key", [key], ["answer"]).get(key)
    return {"key": key, **json.loads(found.values["answer"])} if found else None
