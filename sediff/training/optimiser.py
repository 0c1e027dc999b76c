"""The optimiser of every network: Muon for the matrices of hidden layers, AdamW for all else.

Muon (Jordan et al. 2024) orthogonalises the momentum of a matrix, so every direction of its update counts alike. On the
autoencoder 800 of its steps reach what 4,000 of AdamW's do, each a third dearer. Its step is scaled to the root mean
square of AdamW's (Liu et al. 2025, arXiv 2502.16982), so one learning rate serves both.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sediff.autocast import has_bfloat16

SMALLEST = 16  # channels: thinner matrices, such as those from and to the leads, are AdamW's
Layer = nn.Linear | nn.Conv1d


class BatchedMuon(torch.optim.Muon):
    """torch's Muon but for rounding, with the matrices of one shape orthogonalised as a stack.

    One by one their products are too small for a CPU: on the denoiser of 32 matrices a step took half as long again.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients: list[Tensor] = [weight.grad for weight in weights]
            momenta = [self._momentum(weight) for weight in weights]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            updates = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov's
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            stacks = defaultdict(list)
            for weight, update in zip(weights, updates, strict=True):
                stacks[min(update.shape), max(update.shape)].append((_wide(weight), _wide(update)))
            for (_, columns), stack in stacks.items():
                together = torch.stack([update for _, update in stack])
                rounded = together.bfloat16() if has_bfloat16(together.device) else together
                found = _orthogonal(rounded, group)
                for (weight, _), direction in zip(stack, found, strict=True):
                    weight.add_(direction, alpha=-group["lr"] * 0.2 * math.sqrt(columns))

    def _momentum(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        return state["momentum_buffer"]


def _wide(matrix: Tensor) -> Tensor:
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix


def _orthogonal(x: Tensor, group: dict[str, Any]) -> Tensor:
    """Newton–Schulz iterations of a stack of wide matrices (n, rows, columns)."""
    a, b, c = group["ns_coefficients"]
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


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
            self._parts["matrices"] = BatchedMuon(
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
