import io
import re
import time

import pytest

from sediff import progress
from sediff.progress import track


def told(monkeypatch: pytest.MonkeyPatch, total: int | None) -> list[str]:
    """Lines of a step of ten items of 0.05 s and 20 records each, one after each item."""
    monkeypatch.delenv(progress.BARS, raising=False)
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines: list[str] = []
    for _ in track(range(10), total, "records", lines.append, amount=lambda item: 20):
        time.sleep(0.05)
    return lines


def test_a_line_has_what_is_done_the_rate_and_the_time_left(monkeypatch):
    lines = told(monkeypatch, 200)
    assert len(lines) == 9, "none once all is done"
    for number, line in enumerate(lines, start=1):
        done, rate, left = re.fullmatch(r"records: (\d+) of 200 \((\S+)/s, (\d+) s left\)", line).groups()
        assert int(done) == 20 * number
        assert 0 < float(rate) < 420, "20 in 0.05 s at best"
        assert int(left) == pytest.approx((200 - int(done)) / float(rate), abs=1)


def test_without_a_total_there_is_no_time_left(monkeypatch):
    assert all(re.fullmatch(r"records: \d+ \(\S+/s\)", line) for line in told(monkeypatch, None))


def test_a_bar_has_the_rate_and_the_time_left(monkeypatch):
    monkeypatch.setenv(progress.BARS, "1")
    stream = io.StringIO()
    monkeypatch.setattr(progress.sys, "stderr", stream)
    for _ in track(range(10), 10, "records"):
        time.sleep(0.05)
    assert re.search(r"records: +[1-9]\d*%.* \d+/10 \[\d+:\d+<\d+:\d+, +[\d.]+it/s\]", stream.getvalue())
