"""Flow of the corpus stage: raw recordings to screened records in patient-disjoint splits."""

from flows.enough import require_enough
from flows.inputs import located_sources
from flows.runners import runner
from flows.stage import OWN, Context, run
from sediff.corpus.build import Folders, build_corpus
from sediff.corpus.cache import cache_folder
from sediff.exclusions import read_exclusions
from sediff.vocabulary import Vocabulary


def corpus(context: Context) -> str:
    """Read what is new or changed through wfdb, screen, measure, and write shards."""
    params = context.params
    cache = cache_folder(OWN / "parsed", context.origin.code, params.corpus)
    told = build_corpus(
        params.corpus,
        located_sources(params),
        Vocabulary.load(),
        Folders(context.out, context.report, context.work, cache),
        runner(params.runtime),
        read_exclusions(),
    )
    require_enough(context.out / "records", params.encoder)
    return told


if __name__ == "__main__":
    run(corpus)
