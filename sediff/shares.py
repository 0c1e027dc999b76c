"""Shares of the patients, drawn by a hash of each alone: new patients move nobody."""

import hashlib


def is_drawn(patient: str, purpose: str, share: float) -> bool:
    """Whether a patient is in a share for a purpose; a larger share keeps those of a smaller one."""
    digest = hashlib.sha256(f"{purpose}/{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
