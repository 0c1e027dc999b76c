"""Inputs that several flows share."""

from flows.stage import DATA, OWN
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
