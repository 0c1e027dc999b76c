"""Inputs that several flows share."""

from flows.stage import DATA, OWN
from sediff.params import Params
from sediff.sources import Source, locate

SETTINGS, INVENTORIES, CHROMA = OWN / "local.yaml", DATA / "sources", OWN / "chroma"


def located_sources(params: Params) -> list[Source]:
    """The sources of params.yaml with their folders on this machine."""
    return locate(params.corpus.sources, SETTINGS, INVENTORIES)
