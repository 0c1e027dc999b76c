"""Flow of the knowledge stage: profiles, similar patients, and what they teach."""

from flows.answers import answer_store, llm_access
from flows.inputs import CHROMA, chroma_address, located_sources
from flows.stage import DATA, Context, run
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.index import refresh_index
from sediff.vocabulary import Vocabulary


def knowledge(context: Context) -> str:
    """Retrieve and distil."""
    chroma = chroma_address(context.params)  # refused before anything is computed
    summary = build_knowledge(
        context.params.knowledge,
        DATA / "corpus",
        DATA / "simulator",
        located_sources(context.params),
        Vocabulary.load(),
        context.out,
        context.report,
        answer_store(context.params),
        llm_access(context.params),
    )
    # The index is a cache, not an out: it is brought up to date here so that the first question is quick.
    return f"{summary}; {refresh_index(context.out, CHROMA, chroma)}"


if __name__ == "__main__":
    run(knowledge)
