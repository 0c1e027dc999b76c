"""Parameters of publication. No stage depends on them."""

from pydantic import Field

from sediff.section import Section


class DriftParams(Section):
    """How far a corpus may move from the last published one; beyond, a refresh stops before it trains."""

    records: float = Field(0.2, ge=0, description="change of the number of records, as a share")
    quarantined: float = Field(0.05, ge=0, description="change of the share of records set aside")
    statements: float = Field(0.1, ge=0, le=1, description="total variation distance of the statements' shares")
    sources: float = Field(0.1, ge=0, le=1, description="the same of the sources' shares")
    sites: float = Field(0.2, ge=0, le=1, description="the same of the shares of the sites that recorded")


class PublicationParams(Section):
    """What a refresh publishes, and under which conditions."""

    name: str = Field("ecg", pattern=r"^[a-z][a-z0-9-]{0,62}$", description="of the dataset, in NAME@VERSION")
    max_age: float = Field(30, gt=0, description="h since the last success, after which `sediff health` fails")
    drift: DriftParams = DriftParams()
    approval: bool = Field(False, description="wait in Prefect for a person's approval before publishing")
    approval_limit: float = Field(24, gt=0, description="h to wait for it")
    webhook: str = Field("", description="address that hears the verdict, as JSON")
