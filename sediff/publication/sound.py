"""Which stages of a dvc.lock were made, step by step, from the corpus that it records.

A run that ended after the corpus stage leaves a lock whose corpus is new and whose later outs were made from the one
before; and DVC never forgets a stage that dvc.yaml has no more.
"""

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

from sediff.publication.store import Lock

CORPUS = "data/corpus"
DATA = "data/"  # where inputs and outs are; code and tables name nobody


def sound(lock: Lock, without: Collection[str] = ()) -> Lock:
    """The part of a lock whose stages' recorded deps are the outs that the lock records now, back to the corpus.

    Args:
        without: paths of outs that are not to be trusted, nor what was made from them.
    """
    stages = lock.get("stages", {})
    made = [(out["path"], out["md5"], name) for name, stage in stages.items() for out in stage.get("outs", ())]
    first = next((name for path, _, name in made if path == CORPUS), "")
    read = {dep["path"]: dep.get("md5") for dep in stages.get(first, {}).get("deps", ())}  # inventories of the sources
    known: dict[str, bool] = {}

    def is_sound(name: str) -> bool:
        if name not in known:
            known[name] = False  # while it is asked: what needs itself is not sound
            outs = {out["path"] for out in stages[name].get("outs", ())}
            known[name] = outs.isdisjoint(without) and (
                name == first or all(fits(dep) for dep in stages[name].get("deps", ()))
            )
        return known[name]

    def fits(dep: dict[str, Any]) -> bool:
        path, md5 = dep["path"], dep.get("md5")
        if path.startswith(DATA) and read.get(path, md5) != md5:
            return False
        makers = [(place, own, name) for place, own, name in made if _overlap(place, path)]
        return not makers or any(place == path and own == md5 and is_sound(name) for place, own, name in makers)

    return {**lock, "stages": {name: stage for name, stage in stages.items() if is_sound(name)}}


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
