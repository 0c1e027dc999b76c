"""What `sediff generate` does: one prompt to files, with the models of the last run."""

from pathlib import Path

import torch

from flows.inputs import embedding_access, pseudonyms_of
from flows.question import knowledge_index, require_restrictions
from flows.stage import DATA
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
    require_restrictions(params)
    pseudonyms = pseudonyms_of(params)
    torch.set_num_threads(params.reproducibility.threads)
    wanted = params.runtime.device
    device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
    index = knowledge_index(params)
    sampler, vocabulary, access = params.synthesis.sampler, Vocabulary.load(), embedding_access(params)
    workers = params.runtime.workers
    return generate(prompt, seed, sampler, vocabulary, index, DATA, out, device, explain, access, pseudonyms, workers)
