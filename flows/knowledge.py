"""Flow of the knowledge stage: profiles, similar patients, and what they teach."""

from flows.inputs import CHROMA, chroma_address, located_sources
from flows.stage import DATA, OWN, Context, run
from sediff.endpoint import Endpoint
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.index import refresh_index
from sediff.vocabulary import Vocabulary


def knowledge(context: Context) -> str:
    """Retrieve and distil."""
    runtime = context.params.runtime
    endpoint, chroma = None, chroma_address(context.params)  # refused before anything is computed
    if runtime.llm_base_url:
        model = context.params.knowledge.model
        endpoint = Endpoint(runtime.llm_base_url, model, runtime.llm_allowed_hosts)
    summary = build_knowledge(
        context.params.knowledge,
        DATA / "corpus",
        DATA / "simulator",
        located_sources(context.params),
        Vocabulary.load(),
        context.out,
        context.report,
        OWN / "answers",
        endpoint,
    )
    # The index is a cache, not an out: it is brought up to date here so that the first question is quick.
    return f"{summary}; {refresh_index(context.out, CHROMA, chroma)}"


if __name__ == "__main__":
    run(knowledge)
