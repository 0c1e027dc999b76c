"""What `sediff generate` does: one prompt to files, with the models of the last run."""

from pathlib import Path

import torch

from flows.inputs import CHROMA, embedding_access, pseudonyms_of
from flows.stage import DATA
from sediff.errors import UserError
from sediff.files import read_out
from sediff.knowledge.index import KnowledgeIndex
from sediff.params import Params
from sediff.synthesis.params import PromptRequest
from sediff.synthesis.prompt import generate, require_models
from sediff.vocabulary import Vocabulary


def prompt_records(prompt: PromptRequest, seed: int, out: Path, explain: bool) -> list[str]:
    """Write the records of a prompt and return lines for the user.

    Raises:
        UserError: no model has been trained or pulled yet, or they rest on a restricted source that params.yaml does
            not name.
    """
    require_models(DATA)
    params = Params.load()
    _require_restrictions(params)
    pseudonyms = pseudonyms_of(params)
    torch.set_num_threads(params.reproducibility.threads)
    wanted = params.runtime.device
    device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
    index = KnowledgeIndex.open(DATA / "knowledge", CHROMA)
    sampler, vocabulary, access = params.synthesis.sampler, Vocabulary.load(), embedding_access(params)
    return generate(prompt, seed, sampler, vocabulary, index, DATA, out, device, explain, access, pseudonyms)


def _require_restrictions(params: Params) -> None:
    """Refuse where ids of what the models were made of would leave as they are, since another corpus is configured."""
    sources = read_out(DATA / "knowledge/manifest.json")["parameters"]["corpus.sources"]
    for source in sources:
        if source["sharing"] == "restricted" and source["name"] not in params.restricted:
            raise UserError(
                f"The models rest on {source['name']}, which is restricted, and params.yaml does not name it: "
                "configure it again, or `sediff run` for models of the present corpus."
            )
