"""A batch that does not fit into memory, and how many records would."""

from collections.abc import Callable

import torch

from sediff.errors import UserError

# What torch says where an allocation on the CPU fails; on a GPU it has an error of its own.
CPU_WORDS = ("DefaultCPUAllocator", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed."""
    cpu = isinstance(error, RuntimeError) and any(words in str(error) for words in CPU_WORDS)
    return cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)


def too_large(attempt: Callable[[int], object], size: int, label: str) -> UserError:
    """The sentence for a batch of `size` records that does not fit; tries halves of it to say what would.

    Args:
        attempt: computes the gradients of so many records.
    """
    fits = size // 2
    while fits and not _succeeds(attempt, fits):
        fits //= 2
    advice = f"set its batch_size to {fits}" if fits else "make the network smaller, or take a larger machine"
    return UserError(f"{label}: a batch of {size} records does not fit into memory: {advice}.")


def _succeeds(attempt: Callable[[int], object], size: int) -> bool:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        attempt(size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
