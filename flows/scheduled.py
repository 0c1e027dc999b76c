"""The refresh as Prefect schedules it."""

from prefect import flow
from prefect.schedules import Cron

from flows.refresh import refresh
from sediff.errors import UserError
from sediff.publication.health import SUCCESSES


@flow(name="scheduled refresh", log_prints=True)
def scheduled() -> str:
    """One refresh in the folder where `serve` was started; a failed one is a failed flow run."""
    entry = refresh()
    if entry["outcome"] not in SUCCESSES:
        raise UserError(entry["told"])
    return entry["told"]


def serve_schedule(name: str, cron: str) -> None:
    """Refresh by a cron line until ended.

    Raises:
        UserError: the line is none.
    """
    try:
        schedule = Cron(cron)
    except ValueError as error:
        raise UserError(f"--cron {cron!r} is no schedule ({error}): write five fields, such as '0 2 * * *'.") from None
    scheduled.serve(name=name, schedule=schedule, limit=1, print_starting_message=False)
