"""Seeds and generators: randomness is a function of what it is for, so it has no state to save."""

import hashlib

import torch


def seed_of(*parts: object) -> int:
    """A 63-bit seed that depends on all parts; neighbouring parts give unrelated seeds."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded by all parts, so that noise is the same on every device."""
    return torch.Generator().manual_seed(seed_of(*parts))
