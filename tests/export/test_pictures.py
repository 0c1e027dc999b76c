"""Many pictures at once: the same, whoever draws them."""

import os
import signal

import numpy as np
import pytest

from sediff.errors import UserError
from sediff.export import pictures
from sediff.export.formats import draw
from sediff.export.pictures import draw_all
from sediff.export.record import Record

COUNT = 5


@pytest.fixture
def records() -> list[Record]:
    signals = np.random.default_rng(0).integers(-900, 900, (COUNT, 12, 1000)).astype(np.int16)
    return [Record(signal, index, 7, "AF", "a" * 64) for index, signal in enumerate(signals)]


def test_two_processes_draw_what_one_does(records, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "WORTH_A_PROCESS", 2)
    paths = [tmp_path / f"{number}.png" for number in range(COUNT)]
    draw_all(records, paths, workers=3)
    for record, path in zip(records, paths, strict=True):
        draw(record, tmp_path / "one.png")
        assert path.read_bytes() == (tmp_path / "one.png").read_bytes()


def test_few_are_drawn_by_the_process_itself(records, tmp_path, monkeypatch):
    drawn_by = []
    monkeypatch.setattr(pictures, "draw", lambda record, path: drawn_by.append(os.getpid()))
    draw_all(records, [tmp_path / "a.png"] * COUNT, workers=4)
    assert drawn_by == [os.getpid()] * COUNT


def test_what_cannot_be_written_is_told_by_its_process(records, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "WORTH_A_PROCESS", 2)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        draw_all(records, [tmp_path / "file/a.png"] * COUNT, workers=2)


def kill_own_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillsWhoeverGetsIt:
    """In the place of a record: the process that unpickles it is killed, as by the system where memory runs out."""

    def __reduce__(self):
        return kill_own_process, ()


def test_a_killed_process_is_one_sentence_that_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "WORTH_A_PROCESS", 2)
    with pytest.raises(UserError, match=f"was killed, or memory ran out: {tmp_path} lacks pictures, so give another"):
        draw_all([KillsWhoeverGetsIt()] * COUNT, [tmp_path / "a.png"] * COUNT, workers=2)
