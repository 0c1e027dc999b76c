"""Answers kept with a DVC remote that speaks S3: `moto`'s server on loopback, spoken to through `dvc-s3`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sediff.knowledge.answers import AnswerStore
from sediff.pipeline.answers import pull_answers, push_answers
from tests.pipeline.bucket import SECRET, Bucket, made
from tests.pipeline.clone import MAIN, ROOT, command

BUCKET = "answers-of-models"
ANSWER = {"content": "{}", "refusal": None, "finish_reason": "stop", "usage": {"prompt": 10, "completion": 2}}
COUNT = 5


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with made(BUCKET) as bucket:
        yield bucket


def clone(folder: Path, bucket: Bucket) -> Path:
    """A repository whose default remote is in the bucket; the credentials stand where git does not look."""
    folder.mkdir()
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / file, folder / file)
    subprocess.run(("git", "init", "-q"), cwd=folder, check=True)
    subprocess.run((sys.executable, "-m", "dvc", "init", "-q"), cwd=folder, check=True)
    (folder / ".dvc/config").write_text(f"[core]\n    remote = team\n{bucket.shared('team')}")
    (folder / ".dvc/config.local").write_text(bucket.own("team"))
    return folder


def answers(folder: Path, verb: str) -> "subprocess.CompletedProcess[str]":
    said = command(folder, sys.executable, "-c", MAIN, "knowledge", "answers", verb)
    assert "Traceback" not in said.stderr and SECRET not in said.stdout + said.stderr
    return said


def test_answers_go_to_the_bucket_once_and_come_back_whole(bucket, tmp_path):
    here, there = clone(tmp_path / "here", bucket), clone(tmp_path / "there", bucket)
    own, other = (AnswerStore(folder / ".sediff/answers") for folder in (here, there))
    for number in range(COUNT):
        own.put({"number": number}, ANSWER)
    keys = own.list_keys()

    assert f"{COUNT} answers pushed" in answers(here, "push").stdout
    assert f"0 answers pushed to {BUCKET}/dvc/answers, {COUNT} were there" in answers(here, "push").stdout
    assert bucket.keys() == [f"dvc/answers/{key}.json" for key in keys]

    bucket.client.put_object(Bucket=BUCKET, Key=f"dvc/answers/{keys[0]}.json", Body=b"damaged")
    pulled = answers(there, "pull").stdout
    assert f"{COUNT - 1} answers pulled" in pulled and "1 left out, being damaged" in pulled
    assert other.list_keys() == keys[1:]
    assert all(other.path(key).read_bytes() == own.path(key).read_bytes() for key in keys[1:])


def test_a_bucket_that_is_not_there_is_one_sentence(bucket, tmp_path):
    folder = clone(tmp_path / "clone", bucket._replace(name="another-bucket"))
    AnswerStore(folder / ".sediff/answers").put({"number": 0}, ANSWER)
    said = answers(folder, "push")
    assert said.returncode == 1 and "DVC remote team does not work" in said.stderr


class Faulty(AnswerStore):
    """One with a fault of its own."""

    def intact(self, key: str) -> bool:
        raise ZeroDivisionError(key)


@pytest.mark.parametrize("copy", [push_answers, pull_answers])
def test_a_fault_of_our_own_is_not_the_remotes(tmp_path, copy):
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / "dvc.yaml", folder)
    subprocess.run(("git", "init", "-q"), cwd=folder, check=True)
    subprocess.run((sys.executable, "-m", "dvc", "init", "-q"), cwd=folder, check=True)
    (folder / ".dvc/config").write_text(
        f"[core]\n    remote = team\n['remote \"team\"']\n    url = {tmp_path / 'store'}\n"
    )
    store = AnswerStore(folder / ".sediff/answers")
    store.put({"number": 0}, ANSWER)
    assert push_answers(store, folder).startswith("1 answers pushed")
    store.put({"number": 1}, ANSWER)
    with pytest.raises(ZeroDivisionError):
        copy(Faulty(folder / ".sediff/answers"), folder)
