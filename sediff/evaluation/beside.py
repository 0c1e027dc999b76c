"""Figures under keys of their own, with their intervals beside them."""

from collections.abc import Sequence
from typing import Any

from sediff.bootstrap import interval


def beside(key: str, value: float, drawn: Sequence[float]) -> dict[str, Any]:
    """A figure under its key, with the 95 % interval of bootstrap values beside it as `KEY_interval`."""
    spread = interval(drawn)
    return {key: value, f"{key}_interval": {"low": spread["low"], "high": spread["high"]}}
