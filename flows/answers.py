"""How the knowledge stage reaches a language model from here: limits, budget, and answers that a clone brings along."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from flows.stage import OWN, folder_tag
from sediff.endpoint import Endpoint
from sediff.files import sha256_json
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.budget import Budget, Meter, Prices
from sediff.knowledge.llm import LlmAccess
from sediff.params import Params
from sediff.pipeline.answers import BUDGET, RETRY_FALLBACKS, seed_answers
from sediff.progress import log_line

FOLDER = OWN / "answers"
TRIES_AGAIN = 4  # on faults of the network


def answer_store(params: Params) -> AnswerStore:
    """This clone's answers; where a model is used, with those that the stage's last out brings along."""
    store = AnswerStore(FOLDER)
    if params.knowledge.distiller == "llm":
        taken = seed_answers(store)
        if taken is None:
            log_line("knowledge: answers of the last out are not here; where another has them, `dvc pull` brings them")
        elif taken:
            log_line(f"knowledge: {taken} answers taken from the last out")
    return store


def llm_access(params: Params) -> LlmAccess | None:
    """The configured endpoint; None where there is none.

    Raises:
        UserError: the budget of this run is malformed.
    """
    runtime = params.runtime
    if params.knowledge.distiller != "llm" or not runtime.llm_base_url:
        return None
    prices = Prices(runtime.llm_input_price, runtime.llm_output_price)
    return LlmAccess(
        Endpoint(
            runtime.llm_base_url,
            params.knowledge.model,
            runtime.llm_allowed_hosts,
            runtime.llm_timeout,
            TRIES_AGAIN,
        ),
        runtime.llm_concurrency,
        Meter(Budget.parse(os.environ.get(BUDGET, ""), prices), prices),
        bool(os.environ.get(RETRY_FALLBACKS)),
        _slots(runtime.llm_concurrency),
    )


def _slots(count: int) -> Callable[[], AbstractContextManager[Any]]:
    """A place for each call under a limit of Prefect's, where a server is configured: it may be changed in mid-run.

    The limit is this folder's own, in which one such stage runs at a time. So places that are taken at the start were
    taken by a process that was killed; a server that ended with it would never free them.
    """
    if not os.environ.get("PREFECT_API_URL"):
        return nullcontext
    from prefect import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
    from prefect.concurrency.sync import concurrency

    limit = f"sediff-llm-{sha256_json(folder_tag())[:12]}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(limit, count)
        client.update_global_concurrency_limit(limit, GlobalConcurrencyLimitUpdate(active_slots=0))
    return partial(concurrency, limit, strict=True)
