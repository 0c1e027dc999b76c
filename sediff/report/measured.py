"""Metrics as pages and tables read them: what was left out is not there, and names are as the corpus writes them."""

from collections.abc import Mapping
from typing import Any


def measured(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Nested metrics without what was left out, which is null."""
    return {
        key: measured(value) if isinstance(value, Mapping) else value
        for key, value in metrics.items()
        if value is not None
    }


def named(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's metrics under the names for which its keys stand."""
    names = metrics.get("names", {})
    return _named({key: value for key, value in metrics.items() if key != "names"}, names)


def _named(metrics: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        names.get(key, key): _named(value, names) if isinstance(value, Mapping) else value
        for key, value in metrics.items()
    }
