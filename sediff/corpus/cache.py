"""Which parsed recordings a build may use again: those of exactly its code and its limits of screening."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from sediff.corpus.params import CorpusParams
from sediff.files import sha256_json

# What is said of a record is listed anew by each build, so the code that does only that is not part of the key.
LISTING_CODE = ("knowledge", "sediff/vocabulary", "sediff/language.py", "sediff/phrases.py")


def cache_folder(parsed: Path, code: Mapping[str, str], params: CorpusParams) -> Path:
    """The folder below `parsed` for this code and these parameters, made where it is missing; others are dropped.

    Args:
        code: SHA-256 of all code that the stage depends on, by path.
    """
    reading = {name: digest for name, digest in code.items() if not name.startswith(LISTING_CODE)}
    cache = parsed / sha256_json([reading, params.screening.model_dump(), params.shards])[:16]
    cache.mkdir(parents=True, exist_ok=True)
    for other in parsed.iterdir():
        if other != cache and other.is_dir():
            shutil.rmtree(other)
    return cache
