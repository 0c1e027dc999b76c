"""`sediff doctor`: what is there, what is not, and how to mend it, on one screen."""

import configparser
import os
import shutil
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from sediff.encoder.embedding import EmbeddingAccess, OpenAiEmbedding, open_embedding
from sediff.endpoint import KEY, Endpoint, shown
from sediff.errors import UserError
from sediff.params import Params
from sediff.pipeline.run import INVENTORIES, SETTINGS
from sediff.pseudonyms import read_pseudonyms
from sediff.sources import locate

LITTLE_DISK = 5e9  # bytes
OWN_REMOTE = ".dvc/store"  # DVC's default, as the repository has it
Check = Callable[[Params], tuple[bool, str]]


def findings() -> list[str]:
    """A line for each thing the pipeline could use: `ok` or `--`, what was found, how to mend it."""
    params = Params.load()
    checks: list[Check] = [_corpus, _pseudonyms, _gpu, _prefect, _chroma, _llm, _texts, _remote, _disk]
    return [f"{'ok' if good else '--'}  {text}" for good, text in (check(params) for check in checks)]


def _corpus(params: Params) -> tuple[bool, str]:
    try:
        sources = locate(params.corpus.sources, SETTINGS, INVENTORIES)
    except UserError as error:
        if any(source.name == "virtual" for source in params.corpus.sources):
            return True, "corpus: the virtual cohort, simulated at the next `sediff run`"
        return False, f"corpus: {error}"
    return True, "corpus: " + ", ".join(f"{source.name} in {source.root}" for source in sources)


def _pseudonyms(params: Params) -> tuple[bool, str]:
    try:
        read_pseudonyms(params.restricted, params.pseudonyms.key)
    except UserError as error:
        return False, f"pseudonym key: {error}"
    return True, f"pseudonym key: {params.pseudonyms.key or 'not needed, no source is restricted'}"


def _gpu(params: Params) -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        return True, f"GPU: {torch.cuda.get_device_name()}"
    return False, "GPU: none; the CPU does, more slowly (install a CUDA build of torch on a machine that has one)"


def _prefect(params: Params) -> tuple[bool, str]:
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        return True, "Prefect server: a loopback one is started for each run (set PREFECT_API_URL to use your own)"
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=3):
            return True, f"Prefect server: {shown(address)}"
    except (OSError, ValueError, HTTPException):
        return False, f"Prefect server: {shown(address)} does not answer; start it or unset PREFECT_API_URL"


def _chroma(params: Params) -> tuple[bool, str]:
    address = params.runtime.chroma
    if address:
        try:
            with urllib.request.urlopen(f"{address}/api/v2/heartbeat", timeout=3):
                return True, f"Chroma: {address}"
        except (OSError, ValueError, HTTPException):
            return False, f"Chroma: {address} does not answer; start it with `chroma run` or empty runtime.chroma"
    folder = Path(".sediff/chroma")
    if folder.is_dir():
        return True, f"Chroma: index in {folder}, rebuilt when the knowledge base changes"
    return True, f"Chroma: index not built yet; `sediff run` makes it in {folder}"


def _llm(params: Params) -> tuple[bool, str]:
    if params.knowledge.distiller == "offline":
        return True, "LLM: not used; the offline distiller needs no key (knowledge.distiller: llm to use one)"
    if not params.runtime.llm_base_url:
        return False, "LLM: runtime.llm_base_url is empty; set it to an OpenAI-compatible endpoint"
    endpoint = Endpoint(params.runtime.llm_base_url, params.knowledge.model, params.runtime.llm_allowed_hosts)
    try:
        endpoint.refuse_restricted(params.restricted)
    except UserError as error:
        return False, f"LLM: {error}"
    if not os.environ.get(KEY) and not endpoint.on_loopback:
        return False, f"LLM: {KEY} is not set in the environment"
    return True, f"LLM: {params.knowledge.model} at {params.runtime.llm_base_url}"


def _texts(params: Params) -> tuple[bool, str]:
    conditioner, runtime = params.encoder.conditioner, params.runtime
    restricted = next(iter(params.restricted), "")
    access = EmbeddingAccess(runtime.embedding_base_url, runtime.llm_allowed_hosts, restricted=restricted)
    try:
        embedding = open_embedding(conditioner.text, conditioner.model, access)
        if isinstance(embedding, OpenAiEmbedding):
            embedding.endpoint.client()  # which is where a key is missed
            return True, f"texts: sent to {runtime.embedding_base_url}, embedded by {conditioner.model}"
    except UserError as error:
        return False, f"texts: {error}"
    named = f", {conditioner.model}" if conditioner.model else ""
    return True, f"texts: read by {conditioner.text} (encoder.conditioner.text{named})"


def _remote(params: Params) -> tuple[bool, str]:
    config = configparser.ConfigParser(interpolation=None)
    config.read([".dvc/config", ".dvc/config.local"])
    name = config.get("core", "remote", fallback="")
    if not name:
        return False, "DVC remote: none; `dvc remote add -d NAME URL` to share artifacts"
    url = config.get(f"'remote \"{name}\"'", "url", fallback="?")
    place = url if "://" in url else os.path.normpath(Path(".dvc", url))
    more = ", of this clone alone; `dvc remote add -d NAME URL` to share artifacts" if place == OWN_REMOTE else ""
    return True, f"DVC remote: {place}{more}"


def _disk(params: Params) -> tuple[bool, str]:
    free = shutil.disk_usage(".").free
    return free > LITTLE_DISK, f"disk: {free / 1e9:.0f} GB free here"
