"""Names as keys of metrics.json: what a corpus calls a device may have dots, at which dotted keys are split."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

NAMES = "names"  # the key of the names for which other keys stand
OTHERS = re.compile(r"[^A-Za-z0-9_]+")


def keys_of(names: Iterable[str]) -> dict[str, str]:
    """The key of each name: letters, digits and underscores as they are, one underscore for whatever lies between.

    No two names share a key: a name that is one keeps it, and of others that would, the later in the alphabet are
    numbered from 2.
    """
    distinct = sorted(set(names), key=lambda name: (OTHERS.search(name) is not None, name))
    keys: dict[str, str] = {}
    taken = set[str]()
    for name in distinct:
        plain = key = OTHERS.sub("_", name)
        number = 2
        while key in taken:
            key, number = f"{plain}_{number}", number + 1
        taken.add(key)
        keys[name] = key
    return keys


def with_keys(found: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Nested metrics under keys in place of names, and the names of the keys that are others."""
    keys = keys_of(_names(found))
    return _renamed(found, keys), {key: name for name, key in keys.items() if key != name}


def _names(found: Mapping[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        yield name
        if isinstance(value, Mapping):
            yield from _names(value)


def _renamed(found: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    return {keys[name]: _renamed(of, keys) if isinstance(of, Mapping) else of for name, of in found.items()}
