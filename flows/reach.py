"""A Prefect server that goes away in the middle of a run: a sentence, and what is finished stays."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from httpx import TransportError

from sediff.errors import UserError


@contextmanager
def server_in_reach() -> Iterator[None]:
    """Let a server that does not answer any more be the user's to mend.

    Raises:
        UserError: Prefect's client could not reach it within the block.
    """
    try:
        yield
    except TransportError as error:
        raise UserError(
            f"The Prefect server at {os.environ.get('PREFECT_API_URL', '')} does not answer any more "
            f"({type(error).__name__}): run again, and it goes on where it stopped."
        ) from None
