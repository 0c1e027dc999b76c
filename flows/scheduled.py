"""When the next refresh is due, and waiting for it.

Not through Prefect's `flow.serve`, whose runs are processes that outlive it when it is killed, and which makes up for
nights that were missed; a team that has a server and workers deploys prefect.yaml there instead.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from prefect.server.schemas.schedules import CronSchedule

from sediff.errors import UserError

FIELDS = 5  # minute, hour, day, month, weekday
LONGEST_SLEEP = 30.0  # s: a clock that is set is noticed after so long


def due(cron: str) -> Iterator[datetime]:
    """Wait until a cron line is due, in UTC, give the time, and wait again; what was missed meanwhile is left out.

    Raises:
        UserError: the line is none.
    """
    try:
        if len(cron.split()) != FIELDS:
            raise ValueError(f"{len(cron.split())} fields")
        schedule = CronSchedule(cron=cron, timezone="UTC")
    except ValueError as error:
        said = " ".join(str(error).split())
        raise UserError(f"--cron {cron!r} is no schedule ({said}): write five fields, such as '0 2 * * *'.") from None
    while True:
        seen = datetime.now(UTC)
        wanted = next_time(schedule, seen)
        while (now := datetime.now(UTC)) < wanted:
            if now < seen:  # the clock was set back: there may be a time before the one that is waited for
                wanted = next_time(schedule, now)
            seen = now
            time.sleep(min((wanted - now).total_seconds(), LONGEST_SLEEP))
        yield wanted


def next_time(schedule: CronSchedule, now: datetime) -> datetime:
    """The first time of a schedule after `now`."""
    times = asyncio.run(schedule.get_dates(n=2, start=now))
    return next(wanted for wanted in times if wanted > now)
