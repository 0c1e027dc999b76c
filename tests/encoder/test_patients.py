import json

import pytest

from sediff.encoder.patients import TRAINING, Training
from sediff.errors import UserError
from sediff.pseudonyms import Pseudonyms, identifier_of

OPEN = Pseudonyms()
CLOSED = Pseudonyms(frozenset({"clinic"}), b"k" * 32)
OTHER = Pseudonyms(frozenset({"clinic"}), b"o" * 32)
IDS = ["ptb-xl/2", "ptb-xl/1", "clinic/7", "ptb-xl/1"]


def training(tmp_path) -> Training:
    sources = [{"name": "ptb-xl", "sharing": "open"}, {"name": "clinic", "sharing": "restricted"}]
    said = {"parameters": {"corpus": {"folds": {"train": [1, 2]}, "sources": sources}}}
    (tmp_path / "manifest.json").write_text(json.dumps(said))
    return Training.of(tmp_path, 0.5, IDS)


def test_it_says_share_folds_and_patients(tmp_path):
    found = training(tmp_path)
    assert (found.judges_share, found.folds, found.count, found.restricted) == (0.5, (1, 2), 3, ("clinic",))
    found.write(tmp_path)
    assert Training.read(tmp_path) == found


def test_patients_are_known_again_by_id_and_by_pseudonym(tmp_path):
    published = training(tmp_path).published(CLOSED)
    assert published.pseudonym_key == identifier_of(CLOSED.key)
    assert "clinic/7" not in published.patients
    assert {"ptb-xl/1", "ptb-xl/2"} < set(published.patients)
    assert published.published(CLOSED) == published, "what has pseudonyms keeps them"
    for found in (training(tmp_path), published):
        assert found.seen(["ptb-xl/1", "ptb-xl/1", "ptb-xl/9", "clinic/7"], CLOSED) == 2
        assert found.seen(["ptb-xl/9", "clinic/8"], CLOSED) == 0


@pytest.mark.parametrize("pseudonyms", [OPEN, OTHER])
def test_under_another_key_nothing_is_claimed(tmp_path, pseudonyms):
    assert training(tmp_path).published(CLOSED).seen(["clinic/7"], pseudonyms) is None


def test_open_patients_need_no_key(tmp_path):
    found = Training.of(tmp_path, 0.5, ["ptb-xl/1"])
    assert found.published(OPEN) == found
    assert found.seen(["ptb-xl/1"], OTHER) == 1


@pytest.mark.parametrize("content", [None, "{", "[]", '{"patients": [1]}'])
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / TRAINING).write_text(content)
    with pytest.raises(UserError, match=r"training\.json is missing or damaged") as error:
        Training.read(tmp_path)
    assert "\n" not in str(error.value)
