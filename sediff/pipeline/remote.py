"""Calls to DVC's remote, which throw whatever its own library throws."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dvc.lock import LockError


class RemoteError(Exception):
    """What a remote's library threw, without its own words, which may have credentials.

    Attributes:
        name: of the kind of exception; number: the system's, such as `errno.ENOSPC`, None where it has none.
    """

    def __init__(self, error: Exception) -> None:
        self.name = type(error).__name__
        self.number = error.errno if isinstance(error, OSError) else None
        super().__init__(os.strerror(self.number) if self.number else self.name)


@contextmanager
def remote_calls() -> Iterator[None]:
    """Turn what is thrown within the block, which has a remote's calls alone, into a `RemoteError`.

    Not another command's lock of the repository, which is waited for.
    """
    try:
        yield
    except LockError:
        raise
    except Exception as error:
        raise RemoteError(error) from None
