"""Inputs that several flows share."""

from flows.stage import DATA, OWN
from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import Params
from sediff.pseudonyms import Pseudonyms, read_pseudonyms
from sediff.sources import Source, locate

SETTINGS, INVENTORIES, CHROMA = OWN / "local.yaml", DATA / "sources", OWN / "chroma"


def located_sources(params: Params) -> list[Source]:
    """The sources of params.yaml with their folders on this machine."""
    return locate(params.corpus.sources, SETTINGS, INVENTORIES)


def pseudonyms_of(params: Params) -> Pseudonyms:
    """How the sources' records are called in rows that leave."""
    return read_pseudonyms(params.restricted, params.pseudonyms.key)


def embedding_access(params: Params) -> EmbeddingAccess:
    """How a model of texts is reached from here, where the conditioner needs one."""
    restricted = next(iter(params.restricted), "")
    runtime = params.runtime
    return EmbeddingAccess(
        runtime.embedding_base_url, runtime.llm_allowed_hosts, OWN / "answers/embeddings", restricted
    )
