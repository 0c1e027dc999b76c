"""Inputs that several flows share."""

from typing import Any

from flows.stage import DATA, OWN
from sediff.datasheet.facts import Facts
from sediff.encoder.embedding import EmbeddingAccess
from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.files import damaged, read_out
from sediff.knowledge.store import MANIFEST
from sediff.params import Params
from sediff.pseudonyms import Pseudonyms, read_pseudonyms
from sediff.sources import Source, SourceParams, locate

SETTINGS, INVENTORIES, CHROMA = OWN / "local.yaml", DATA / "sources", OWN / "chroma"


def located_sources(params: Params) -> list[Source]:
    """The sources of params.yaml with their folders on this machine."""
    return locate(params.corpus.sources, SETTINGS, INVENTORIES)


def pseudonyms_of(params: Params) -> Pseudonyms:
    """How the sources' records are called in rows that leave."""
    return read_pseudonyms(params.restricted, params.pseudonyms.key)


def chroma_address(params: Params) -> str:
    """Where Chroma is; "" for the embedded one.

    Raises:
        UserError: a source is restricted, and the server is neither on this machine nor allowed by name.
    """
    runtime, address = params.runtime, params.runtime.chroma
    if address and params.restricted and not Endpoint(address, "", runtime.llm_allowed_hosts).may_see_restricted():
        raise UserError(
            f"Source {params.restricted[0]} is restricted and its profiles may not be sent to {address}: use a Chroma "
            "on loopback, allow-list its host (runtime.llm_allowed_hosts), or empty runtime.chroma."
        )
    return address


def embedding_access(params: Params) -> EmbeddingAccess:
    """How a model of texts is reached from here, where the conditioner needs one."""
    restricted = next(iter(params.restricted), "")
    runtime = params.runtime
    return EmbeddingAccess(
        runtime.embedding_base_url, runtime.llm_allowed_hosts, OWN / "answers/embeddings", restricted
    )


def dataset_facts(params: Params, name: str, request: Any) -> Facts:
    """What a synthetic dataset's rows do not say: the request, as JSON takes it, and what the models were made of.

    Raises:
        UserError: the manifest of data/knowledge, which names those sources, is missing or damaged.
    """
    path = DATA / "knowledge" / MANIFEST
    try:
        used = read_out(path)["parameters"]["corpus.sources"]
        sources = tuple(SourceParams.model_validate(source) for source in used)
    except (KeyError, TypeError, ValueError):
        raise damaged(path) from None
    return Facts(name, request, params.synthesis.sampler.model_dump(mode="json"), sources)
