"""Parameters of publication. No stage depends on them."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from sediff.endpoint import checked_address
from sediff.section import Items, Section

WEBHOOK = "SEDIFF_WEBHOOK"
SECRETS_IN = frozenset("@?#")  # what a user with a password, a query and a fragment have


def public_address(address: str) -> str:
    """The address of a webhook that params.yaml, which is published, may have; "" for none.

    Raises:
        ValueError: it is none, or has a place for secrets, and is then not repeated.
    """
    if SECRETS_IN & set(address):
        raise ValueError(
            f"params.yaml is published, so an address in it has no user, password, query or fragment: set {WEBHOOK} in "
            "the environment to the whole address instead"
        )
    try:
        return checked_address(address)
    except ValueError:
        raise ValueError(f"{address!r} is no address: write one like https://chat.example.org/hook") from None


SignerKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]  # Ed25519, as hex


class DriftParams(Section):
    """How far a corpus may move from the last published one; beyond, a refresh stops before it trains."""

    records: float = Field(0.2, ge=0, description="change of the number of records, as a share")
    quarantined: float = Field(0.05, ge=0, description="change of the share of records set aside")
    statements: float = Field(0.1, ge=0, le=1, description="total variation distance of the statements' shares")
    sources: float = Field(0.1, ge=0, le=1, description="the same of the sources' shares")
    sites: float = Field(0.2, ge=0, le=1, description="the same of the shares of the sites that recorded")


class RetentionParams(Section):
    """Which versions keep their data; the one that is served always does."""

    nightly: int = Field(
        14, ge=1, description="the last versions; work in progress and Prefect's history are kept for as many days"
    )
    monthly: int = Field(12, ge=0, description="the last version of each of so many months")
    tagged: Literal["all", "none"] = Field("all", description="versions that a person gave a git tag")


class PublicationParams(Section):
    """What a refresh publishes, and under which conditions."""

    name: str = Field("ecg", pattern=r"^[a-z][a-z0-9-]{0,62}$", description="of the dataset, in NAME@VERSION")
    max_age: float = Field(30, gt=0, description="h since the last success, after which `sediff health` fails")
    drift: DriftParams = DriftParams()
    continued_steps: float = Field(
        0,
        ge=0,
        le=1,
        description="share of the steps of a training that continues from the served version's weights, where records "
        "were only added; 0: trainings start from nothing",
    )
    approval: bool = Field(False, description="wait in Prefect for a person's approval before publishing")
    approval_limit: float = Field(24, gt=0, description="h to wait for it")
    signers: Items[SignerKey] = Field((), description="public keys that may sign versions; none: any may")
    retention: RetentionParams = RetentionParams()
    webhook: Annotated[str, AfterValidator(public_address)] = Field(
        "", description=f"address that hears the verdict, as JSON; one that is secret stands in {WEBHOOK} instead"
    )

    @property
    def webhook_address(self) -> str:
        """Where the verdict goes: what the environment says comes before the parameter, which is published."""
        return os.environ.get(WEBHOOK) or self.webhook
