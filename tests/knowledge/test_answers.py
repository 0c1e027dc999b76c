import json
import shutil

import pytest

from sediff.errors import UserError
from sediff.files import sha256_json
from sediff.knowledge.answers import AnswerStore, answer_key, read_answer, read_export

REQUEST = {"model": "m", "prompt": {"age": "60 to 69"}}
ANSWER = {"content": "Sinusrhythmus, größer", "refusal": None, "finish_reason": "stop", "usage": None}
KEY = answer_key(REQUEST)


@pytest.fixture
def store(tmp_path) -> AnswerStore:
    store = AnswerStore(tmp_path / "answers")
    store.put(REQUEST, ANSWER)
    return store


def test_an_answer_is_kept_under_the_hash_of_its_request(store):
    assert store.get(KEY) == ANSWER and store.list_keys() == [KEY]
    assert store.get(answer_key({})) is None
    assert read_answer(KEY, store.path(KEY).read_text()) == ANSWER


def test_an_answer_is_never_changed(store):
    before = store.path(KEY).read_bytes()
    store.put(REQUEST, {**ANSWER, "content": "something else"})
    assert store.path(KEY).read_bytes() == before


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"request": {}, "answer": {}, "sha256": ""}', "\udcff", NESTED])
def test_a_damaged_answer_is_named_and_not_asked_for_again_unasked(store, text):
    store.path(KEY).write_text(text, errors="surrogateescape")
    with pytest.raises(UserError, match=rf"{KEY}\.json is damaged: .*answers pull.*or remove it"):
        store.get(KEY)
    assert not store.intact(KEY)


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"content": "x"}, {**ANSWER, "more": 1}, {**ANSWER, "content": 1}, {**ANSWER, "usage": {}},
     {**ANSWER, "usage": {"prompt": -1, "completion": 1}}],
)  # fmt: skip
def test_an_answer_of_another_shape_is_damage_whatever_its_hash(store, answer):
    kept = {"request": REQUEST, "answer": answer, "sha256": sha256_json([REQUEST, answer])}
    with pytest.raises(ValueError):
        store.add(KEY, json.dumps(kept))
    store.path(KEY).write_text(json.dumps(kept))
    with pytest.raises(UserError, match="is damaged"):
        store.get(KEY)


def test_a_changed_word_is_damage(store):
    path = store.path(KEY)
    path.write_text(path.read_text().replace("größer", "kleiner"))
    with pytest.raises(UserError, match="is damaged"):
        store.get(KEY)


def test_an_intact_copy_mends_a_damaged_answer_and_a_damaged_one_is_refused(store, tmp_path):
    good = store.path(KEY).read_text()
    assert not store.add(KEY, good)
    store.path(KEY).write_text("damaged")
    for bad in ("{}", NESTED, good.replace("m", "n")):
        with pytest.raises(ValueError):
            store.add(KEY, bad)
    with pytest.raises(ValueError):
        store.add(answer_key({}), good)
    assert store.add(KEY, good) and store.get(KEY) == ANSWER


def test_an_export_is_sorted_and_seeds_another_store(store, tmp_path):
    others = [{**REQUEST, "round": number} for number in range(5)]
    for request in others:
        store.put(request, ANSWER)
    keys = [answer_key(request) for request in others]
    store.export(keys + keys[:1], tmp_path / "a.parquet")
    store.export(reversed(keys), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    table = read_export(tmp_path / "a.parquet")
    assert table["key"].to_pylist() == sorted(keys)
    assert [json.loads(text)["answer"] for text in table["answer"].to_pylist()] == [ANSWER] * 5
    fresh = AnswerStore(tmp_path / "fresh")
    assert fresh.seed(table) == 5 and fresh.seed(table) == 0
    assert all(fresh.path(key).read_bytes() == store.path(key).read_bytes() for key in keys)


def test_nothing_used_is_an_empty_export(tmp_path):
    AnswerStore(tmp_path / "none").export([], tmp_path / "a.parquet")
    assert len(read_export(tmp_path / "a.parquet")) == 0


def _a_file_for_the_folder(store: AnswerStore) -> None:
    shutil.rmtree(store.folder)
    store.folder.touch()


def _a_folder_for_an_answer(store: AnswerStore) -> None:
    store.path(KEY).unlink()
    store.path(KEY).mkdir()


def _a_link_to_itself(store: AnswerStore) -> None:
    store.path(KEY).unlink()
    store.path(KEY).symlink_to(store.path(KEY))


@pytest.mark.parametrize("break_it", [_a_file_for_the_folder, _a_folder_for_an_answer, _a_link_to_itself])
def test_what_stands_where_answers_are_kept_is_named(store, break_it):
    break_it(store)
    with pytest.raises(UserError, match=rf"answers/{KEY}\.json cannot be had \(.*answers is to be a folder of files"):
        store.get(KEY)
    if not store.path(KEY).is_symlink():
        with pytest.raises(UserError, match="cannot be had"):
            store.put(REQUEST, ANSWER)
