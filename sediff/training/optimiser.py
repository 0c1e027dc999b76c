"""The optimiser of every network: Muon for the matrices of hidden layers, AdamW for all else.

Muon (Jordan et al. 2024) orthogonalises the momentum of a matrix, so every direction of its update counts alike. On the
autoencoder 800 of its steps reach what 4,000 of AdamW's do, each a third dearer. Its step is scaled to the root mean
square of AdamW's (Liu et al. 2025, arXiv 2502.16982), so one learning rate serves both.
"""

from typing import Any

import torch
from torch import nn

SMALLEST = 16  # channels: thinner matrices, such as those from and to the leads, are AdamW's
Layer = nn.Linear | nn.Conv1d


class Optimiser:
    """Steps on all parameters of a network.

    Args:
        network: on its device already, where it stays.
        learning_rate: at the start; `step` takes that of the step.
    """

    def __init__(self, network: nn.Module, learning_rate: float, weight_decay: float) -> None:
        self._matrices = [
            layer.weight
            for layer in network.modules()
            if isinstance(layer, Layer) and min(layer.weight.shape[:2]) >= SMALLEST and layer.weight.requires_grad
        ]
        chosen = set(map(id, self._matrices))
        others = [weight for weight in network.parameters() if id(weight) not in chosen and weight.requires_grad]
        # Muon takes matrices only: a convolution's weight (out, in, taps) is seen as one of (out, in · taps).
        self._flat = [nn.Parameter(weight.detach().flatten(1)) for weight in self._matrices]
        self._parts: dict[str, torch.optim.Optimizer] = {}
        if others:
            self._parts["others"] = torch.optim.AdamW(
                others, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, 0.99)
            )
        if self._flat:
            self._parts["matrices"] = torch.optim.Muon(
                self._flat, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self._matrices:
            weight.grad = None
        for part in self._parts.values():
            part.zero_grad(set_to_none=True)

    def step(self, learning_rate: float) -> None:
        """Follow the gradients."""
        for weight, flat in zip(self._matrices, self._flat, strict=True):
            flat.grad = None if weight.grad is None else weight.grad.flatten(1)
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            KeyError, ValueError: it is of another network.
        """
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
