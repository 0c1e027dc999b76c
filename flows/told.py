"""What a Prefect server is told of a stage: all of it on loopback; elsewhere nothing that may name a restricted record.

Sentences of a user's mistake name records and files, a crash has them in its traceback, a summary has small counts.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sediff.endpoint import Endpoint
from sediff.params import Params

LOG = Path(".sediff/failures.log")


@dataclass(frozen=True)
class Told:
    """What leaves for the server that is configured.

    Attributes:
        restricted: name of a restricted source whose records the server may not see; "" where it may be told all.
    """

    restricted: str = ""

    @classmethod
    def to_server(cls, params: Params) -> "Told":
        """For the server that PREFECT_API_URL names."""
        here = Endpoint(os.environ.get("PREFECT_API_URL", ""), "").on_loopback
        return cls("" if here else next(iter(params.restricted), ""))

    def summary(self, stage: str, summary: str) -> str:
        """Of a stage that went well."""
        return f"{stage} is done; what it said is in runs/{stage}." if self.restricted else summary

    def failure(self, stage: str, error: BaseException) -> str:
        """Of one that did not; what the server may not see is added to `LOG`."""
        if not self.restricted:
            return str(error)
        LOG.parent.mkdir(exist_ok=True)
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {stage}: {error!r}\n")
        return f"{stage} failed; source {self.restricted} is restricted, so the details are in {LOG} only."
