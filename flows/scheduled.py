"""The refresh as Prefect schedules it."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.schedules import Cron
from prefect.states import Completed, Failed

from flows.refresh import refresh
from sediff.errors import UserError
from sediff.publication.health import SUCCESSES

FIELDS = 5  # minute, hour, day, month, weekday


@flow(name="scheduled refresh")
def scheduled() -> State:
    """One refresh in the folder where `serve` was started; a failed one is a failed flow run, without words."""
    outcome = refresh()["outcome"]
    return Completed(name=outcome) if outcome in SUCCESSES else Failed(message=outcome)


def serve_schedule(name: str, cron: str) -> None:
    """Refresh by a cron line until ended.

    Raises:
        UserError: the line is none.
    """
    try:
        if len(cron.split()) != FIELDS:
            raise ValueError(f"{len(cron.split())} fields")
        schedule = Cron(cron, timezone="UTC")
    except ValueError as error:
        raise UserError(f"--cron {cron!r} is no schedule ({error}): write five fields, such as '0 2 * * *'.") from None
    scheduled.serve(name=name, schedule=schedule, limit=1, print_starting_message=False)
