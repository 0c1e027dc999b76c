"""How old the last success may be, by a clock that the test sets."""

from datetime import UTC, datetime, timedelta

import pytest

from sediff.publication.health import health, note


@pytest.mark.parametrize(
    ("hours", "well", "told"),
    [
        (29.9, True, "the last success (published, ecg@v0.0.1) is 29.9 h old"),
        (30.1, False, "is 30.1 h old, more than publication.max_age = 30 h"),
        (-0.1, False, "ended in the future"),
    ],
)
def test_the_last_success_counts_and_what_failed_since_does_not(tmp_path, hours, well, told):
    ended = datetime.fromisoformat(note(tmp_path, "published", "by hand", "ecg@v0.0.1")["ended"])
    note(tmp_path, "failed", "a stage failed", "")
    found, sentence = health(tmp_path, 30, ended.astimezone(UTC) + timedelta(hours=hours))
    assert (found, told in sentence) == (well, True), sentence


def test_a_journal_whose_last_line_was_cut_is_read_and_added_to(tmp_path):
    note(tmp_path, "published", "by hand", "ecg@v0.0.1")
    with (tmp_path / ".sediff/refreshes.jsonl").open("a") as journal:
        journal.write('{"ended": "20')
    assert health(tmp_path, 30)[0]
    note(tmp_path, "nothing new", "by hand", "ecg@v0.0.2")
    assert "nothing new, ecg@v0.0.2" in health(tmp_path, 30)[1]
