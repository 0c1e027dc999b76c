"""Checkpoints that hold all that going on needs, and are trusted only by the training that wrote them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor, nn

from sediff.errors import UserError
from sediff.files import replacing
from sediff.training.optimiser import Optimiser


@dataclass
class State:
    """What changes while a network is trained.

    Randomness is a function of (seed, step), and so is the position in the data: both are in `step`.

    Attributes:
        average: the weights' moving average; the network itself where there is none.
        step: steps that are done.
        log: what the curves are drawn from.
        sums: of the loss and its terms since the last entry of the log, float64 on the device.
    """

    network: nn.Module
    average: nn.Module
    optimiser: Optimiser
    step: int = 0
    log: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def is_finite(self) -> bool:
        """Whether all weights and the loss since the last entry are numbers."""
        tensors = [*self.network.parameters(), *self.sums.values()]
        return all(bool(values.isfinite().all()) for values in tensors)


def save(path: Path, state: State, identity: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically; `identity` says which training it belongs to."""
    content = {
        "schema_version": 1,
        "identity": dict(identity),
        "step": state.step,
        "log": state.log,
        "sums": state.sums,
        "network": state.network.state_dict(),
        "average": {} if state.average is state.network else state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def resume(path: Path, state: State, identity: Mapping[str, Any], device: torch.device) -> None:
    """Bring the state to that of a checkpoint, if there is one.

    Raises:
        UserError: it is damaged, or of another configuration or network.
    """
    if not path.exists():
        return
    try:
        with ZipFile(path) as archive:
            if archive.testzip():  # torch does not look at its checksums
                raise ValueError
        content = torch.load(path, weights_only=True, map_location=device)
        found, step, log, sums = (content[name] for name in ("identity", "step", "log", "sums"))
    except (RuntimeError, LookupError, ValueError, EOFError, OSError, UnpicklingError, TypeError, BadZipFile):
        raise UserError(
            f"{path} is damaged and holds no checkpoint: remove it, and the training starts anew."
        ) from None
    other = sorted(name for name in {*identity, *found} if identity.get(name) != found.get(name))
    if other:
        raise UserError(f"{path} is a checkpoint of another configuration (other {', '.join(other)}): remove it.")
    try:
        state.network.load_state_dict(content["network"])
        if state.average is not state.network:
            state.average.load_state_dict(content["average"])
        state.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, KeyError, ValueError):
        raise UserError(f"{path} is a checkpoint of another network: remove it.") from None
    state.step, state.log, state.sums = step, log, sums
