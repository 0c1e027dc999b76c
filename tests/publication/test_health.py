"""How old the last success may be, by a clock that the test sets."""

from datetime import UTC, datetime, timedelta

import pytest

from flows.refresh import _end
from sediff.params import Params
from sediff.publication.health import entry_of, health, note
from sediff.publication.params import WEBHOOK
from tests.objects import fill
from tests.pipeline.clone import ROOT
from tests.servers import Receiver, running


@pytest.mark.parametrize(
    ("hours", "well", "told"),
    [
        (29.9, True, "the last success (published, ecg@v0.0.1) is 29.9 h old"),
        (30.1, False, "is 30.1 h old, more than publication.max_age = 30 h"),
        (-0.1, False, "ended in the future"),
    ],
)
def test_the_last_success_counts_and_what_failed_since_does_not(tmp_path, hours, well, told):
    success = entry_of("published", "by hand", "ecg@v0.0.1")
    note(tmp_path, success)
    note(tmp_path, entry_of("failed", "a stage failed", ""))
    ended = datetime.fromisoformat(success["ended"])
    found, sentence = health(tmp_path, 30, ended.astimezone(UTC) + timedelta(hours=hours))
    assert (found, told in sentence) == (well, True), sentence


def test_a_journal_whose_last_line_was_cut_is_read_and_added_to(tmp_path):
    note(tmp_path, entry_of("published", "by hand", "ecg@v0.0.1"))
    with (tmp_path / ".sediff/refreshes.jsonl").open("a") as journal:
        journal.write('{"ended": "20')
    assert health(tmp_path, 30)[0]
    note(tmp_path, entry_of("nothing new", "by hand", "ecg@v0.0.2"))
    assert "nothing new, ecg@v0.0.2" in health(tmp_path, 30)[1]


def test_a_refresh_whose_journal_is_on_a_full_disk_is_told_all_the_same(disk, monkeypatch, capfd):
    (disk / ".sediff").mkdir()
    fill(disk)
    with running(Receiver()) as receiver:
        monkeypatch.setenv(WEBHOOK, receiver.address)
        entry = _end(disk, Params.load(ROOT / "params.yaml"), "failed", "corpus: the disk is full.", "")
    assert [body["text"] for body in receiver.bodies] == ["ecg: failed: corpus: the disk is full."]
    assert entry["outcome"] == "failed"
    told = capfd.readouterr().err
    assert "refresh: failed: corpus: the disk is full." in told
    assert "refreshes.jsonl does not have this refresh (No space left on device)" in told
    assert not health(disk, 30)[0]
