"""The contrastive loss by which pairs find each other in a batch."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

TEMPERATURE = 0.07


def contrastive_loss(a: Tensor, b: Tensor, matches: Tensor | None = None) -> Tensor:
    """InfoNCE of pairs (batch, d), both ways (van den Oord et al. 2018; Radford et al. 2021).

    Args:
        matches: (batch, batch), symmetric, true where row i of one may be taken for row j of the other too (Khosla et
            al. 2020); None: each row has one partner.
    """
    scores = normalize(a, dim=-1) @ normalize(b, dim=-1).T / TEMPERATURE
    wanted = torch.eye(len(a), device=a.device) if matches is None else matches.to(scores.dtype)
    wanted = wanted / wanted.sum(1, keepdim=True)
    there = -(wanted * scores.log_softmax(1)).sum(1).mean()
    back = -(wanted * scores.T.log_softmax(1)).sum(1).mean()
    return (there + back) / 2
