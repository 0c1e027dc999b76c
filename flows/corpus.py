"""Flow of the corpus stage: raw recordings to screened records in patient-disjoint splits."""

import shutil
from pathlib import Path

from flows.inputs import located_sources
from flows.runners import runner
from flows.stage import OWN, Context, run
from sediff.corpus.build import build_corpus
from sediff.files import sha256_json
from sediff.vocabulary import Vocabulary

LISTING_CODE = ("knowledge", "sediff/vocabulary", "sediff/language.py", "sediff/phrases.py")
PARSED = OWN / "parsed"


def corpus(context: Context) -> str:
    """Read what is new or changed through wfdb, screen, measure, and write shards."""
    params = context.params
    return build_corpus(
        params.corpus,
        located_sources(params),
        Vocabulary.load(),
        context.out,
        context.report,
        context.work,
        _cache(context),
        runner(params.runtime),
    )


def _cache(context: Context) -> Path:
    """Folder of the recordings parsed by this code under these limits; those of others are dropped.

    What is said of a record is listed anew each time, so the vocabulary's code is not part of it.
    """
    code = {name: digest for name, digest in context.origin.code.items() if not name.startswith(LISTING_CODE)}
    params = context.params.corpus
    cache = PARSED / sha256_json([code, params.screening.model_dump(), params.shards])[:16]
    cache.mkdir(parents=True, exist_ok=True)
    for other in PARSED.iterdir():
        if other != cache:
            shutil.rmtree(other)
    return cache


if __name__ == "__main__":
    run(corpus)
