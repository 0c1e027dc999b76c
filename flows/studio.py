"""What `sediff studio` does: serve a page, with the models of the last run."""

import socket
from collections.abc import Callable

import torch

from flows.inputs import embedding_access, pseudonyms_of
from flows.question import knowledge_index, require_restrictions
from flows.stage import DATA
from sediff.knowledge.query import Answer
from sediff.params import Params
from sediff.studio.app import app
from sediff.studio.guard import hosts_of
from sediff.studio.serve import serve
from sediff.studio.studio import Studio
from sediff.synthesis.generator import EcgGenerator
from sediff.synthesis.params import PromptRequest
from sediff.synthesis.prompt import require_models
from sediff.synthesis.request import ask_prompt
from sediff.vocabulary import Vocabulary


def serve_studio(bound: socket.socket, tell: Callable[[str], None]) -> None:
    """Serve the page on a loopback socket until Ctrl-C.

    Raises:
        UserError: there are no models, or they rest on a restricted source that params.yaml does not name.
    """
    require_models(DATA)
    studio = _studio(Params.load())
    port = bound.getsockname()[1]
    tell(f"sediff studio: http://127.0.0.1:{port} (Ctrl-C ends it)")
    serve(app(studio, hosts_of(port)), bound)


def _studio(params: Params) -> Studio:
    require_restrictions(params)
    pseudonyms, vocabulary, index = pseudonyms_of(params), Vocabulary.load(), knowledge_index(params)
    torch.set_num_threads(params.reproducibility.threads)
    device = torch.device("cuda" if params.runtime.device != "cpu" and torch.cuda.is_available() else "cpu")
    generator = EcgGenerator.load(DATA, vocabulary, device, embedding_access(params))

    def ask(prompt: PromptRequest) -> Answer:
        return ask_prompt(prompt, vocabulary, DATA / "knowledge", index, pseudonyms)

    return Studio(generator, params.synthesis.sampler, ask)
