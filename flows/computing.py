"""The device that computes, and all that its numbers depend on, as fingerprints have it."""

from pathlib import Path
from typing import TYPE_CHECKING

from flows.device import computing_device
from sediff.lineage.environment import unlike_pins
from sediff.params import Params

if TYPE_CHECKING:
    import torch


def computing(params: Params) -> "tuple[torch.device, dict[str, str]]":
    """The device that computes; its kind, torch's build, what of a GPU's software, and what is not as pinned.

    Not in `flows.device`, which results depend on: on a processor with what is pinned it is what that module says.
    """
    device, described = computing_device(params)
    if device.type == "cuda":
        import torch

        described = {**described, "cudnn": str(torch.backends.cudnn.version())}
    return device, {**unlike_pins(Path()), **described}
