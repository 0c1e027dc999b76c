import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.refresh import only_serve
from flows.serve import serve
from sediff.errors import UserError
from sediff.publication_commands import purge_command

pytestmark = pytest.mark.usefixtures("server")  # `flows.scheduled` imports Prefect, whose address stays for good


@pytest.mark.parametrize(
    ("cron", "now", "wanted"),
    [
        ("0 2 * * *", (2026, 3, 1, 1, 59), (2026, 3, 1, 2, 0)),
        ("0 2 * * *", (2026, 3, 1, 2, 0), (2026, 3, 2, 2, 0)),
        ("30 4 * * 1", (2026, 11, 21, 12, 0), (2026, 11, 23, 4, 30)),
        ("0 0 29 2 *", (2026, 3, 1, 0, 0), (2028, 2, 29, 0, 0)),
    ],
)
def test_the_next_time_of_a_schedule(cron, now, wanted):
    from prefect.server.schemas.schedules import CronSchedule

    from flows.scheduled import next_time

    schedule = CronSchedule(cron=cron, timezone="UTC")
    assert next_time(schedule, datetime(*now, tzinfo=UTC)) == datetime(*wanted, tzinfo=UTC)


@pytest.mark.parametrize("cron", ["at night", "0 2 * *", "0 25 * * *", "0 0 2 * * *"])
def test_a_line_that_is_no_schedule_is_one_sentence(cron):
    from flows.scheduled import due

    with pytest.raises(UserError, match="is no schedule"):
        next(due(cron))


@pytest.mark.parametrize(
    ("set_by", "hours"), [(timedelta(0), 14.0), (timedelta(days=-5), 14.1), (timedelta(hours=6), 8.0)]
)
def test_a_clock_that_is_set_changes_no_night(set_by, hours, monkeypatch):
    """From noon until two at night, with the clock set after five minutes: back five days, or six hours ahead."""
    from flows import scheduled

    class Clock(datetime):
        at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        slept = 0.0

        @classmethod
        def now(cls, tz=None):
            return cls.at

        @classmethod
        def sleep(cls, seconds: float) -> None:
            before, cls.slept = cls.slept, cls.slept + seconds
            cls.at += timedelta(seconds=seconds) + (set_by if before < 300 <= cls.slept else timedelta(0))

    monkeypatch.setattr(scheduled, "datetime", Clock)
    monkeypatch.setattr(scheduled.time, "sleep", Clock.sleep)
    wanted = next(scheduled.due("0 2 * * *"))
    assert Clock.at >= wanted and (wanted.hour, wanted.minute) == (2, 0)
    assert Clock.slept / 3600 == pytest.approx(hours, abs=0.2)


def test_no_purge_and_no_other_schedule_while_one_is_served(tmp_path, monkeypatch):
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with only_serve(tmp_path):
        for command in (purge_command, lambda: serve("0 2 * * *", 0)):
            with pytest.raises(UserError, match="`sediff serve` is going on here: end it first"):
                command()
    with pytest.raises(UserError, match="names nobody"):
        purge_command()
