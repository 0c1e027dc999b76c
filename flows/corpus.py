"""Flow of the corpus stage: raw recordings to screened records in patient-disjoint splits."""

from flows.inputs import located_sources
from flows.stage import Context, run
from sediff.corpus.build import build_corpus
from sediff.vocabulary import Vocabulary


def corpus(context: Context) -> str:
    """Read every source through wfdb, screen, and write shards."""
    sources = located_sources(context.params)
    workers = context.params.runtime.workers
    return build_corpus(
        context.params.corpus, sources, Vocabulary.load(), context.out, context.report, context.work, workers
    )


if __name__ == "__main__":
    run(corpus)
