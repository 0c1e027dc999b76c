"""The knowledge stage through Prefect and DVC with a model at a real HTTP server; answers in clones and on a remote."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from sediff.files import read_json
from sediff.knowledge.answers import AnswerStore
from sediff.params import Params, set_params
from sediff.pipeline.answers import BUDGET
from tests.knowledge.llm_server import LlmServer, Reply, completion, report, serving
from tests.pipeline.clone import MAIN, command, sediff

KEY = "-".join(("sk", "ADistinctiveKey", "ThatNobodyElseHas"))  # a clone has this file too
REFUSED = "fibrillation"
OUTS = ("data/knowledge", "reports/knowledge/metrics.json")


class Made(NamedTuple):
    """A clone whose knowledge a model distilled, what was said, and the server that was asked."""

    folder: Path
    said: str
    server: LlmServer


def refusing(asked: dict[str, Any]) -> Reply:
    return completion(None, refusal="no") if REFUSED in asked["messages"][1]["content"] else report()


@pytest.fixture(scope="module")
def made(project, tmp_path_factory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("answers") / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    with serving(refusing) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("OPENAI_LOG", "debug")
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        llm = ["knowledge.distiller=llm", "knowledge.model=m", f"runtime.llm_base_url={server.url}"]
        said = sediff(folder, "run", "knowledge", *(part for item in llm for part in ("--set", item)))
        yield Made(folder, said, server)


@pytest.fixture
def clone(made, tmp_path) -> Path:
    """A copy in which a test may change things; the server starts counting anew."""
    made.server.play = refusing
    made.server.asked.clear()
    shutil.copytree(made.folder, tmp_path / "clone", symlinks=True)
    return tmp_path / "clone"


def store_of(folder: Path) -> AnswerStore:
    return AnswerStore(folder / ".sediff/answers")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for name in OUTS for path in ([folder / name, *(folder / name).rglob("*")]) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def forget(folder: Path) -> None:
    """Remove what the stage made, and all answers, those in DVC's cache too."""
    for name in (".sediff/answers", "data/knowledge", ".dvc/cache"):
        shutil.rmtree(folder / name)


def distil(folder: Path) -> subprocess.CompletedProcess[str]:
    """The stage as a program."""
    result = command(folder, sys.executable, "-m", "flows.knowledge")
    assert "Traceback" not in result.stderr
    return result


def repro(folder: Path) -> str:
    """The stage again, through DVC alone."""
    result = command(folder, sys.executable, "-m", "dvc", "repro", "--single-item", "--force", "knowledge")
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_the_stage_says_what_it_asked_and_what_it_cost(made):
    metrics = read_json(made.folder / "reports/knowledge/metrics.json")
    assert metrics["distillers"]["llm:m"] > 0 < metrics["fallbacks"]["refusal"] == metrics["distillers"]["offline"]
    assert metrics["answers"] == len(store_of(made.folder).list_keys())
    assert metrics["prompt_tokens"] == 1000 * metrics["answers"]
    assert f"this run: {metrics['answers']} calls, {1200 * metrics['answers']} tokens" in made.said
    assert made.server.most <= 4, "Prefect's limit"


def test_the_key_is_in_nothing_that_a_run_writes_or_says(made, clone):
    echo = b'{"error": {"message": "wrong key %s", "code": "%s"}}' % (KEY.encode(), KEY.encode())
    forget(clone)
    made.server.play = lambda asked: Reply(echo, 401)
    refused = distil(clone)
    assert refused.returncode == 1 and "refuses the key: check OPENAI_API_KEY" in refused.stderr
    assert KEY not in made.said + refused.stdout + refused.stderr
    for folder in (made.folder, clone):
        for path in folder.rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_records_of_a_restricted_source_leave_for_no_other_machine(made, clone):
    forget(clone)
    (source,) = Params.load(clone / "params.yaml").corpus.sources
    restricted = json.dumps([source.model_dump(mode="json") | {"sharing": "restricted"}])
    elsewhere = ["runtime.llm_base_url=http://models.clinic.invalid/v1", f"corpus.sources={restricted}"]
    set_params(clone / "params.yaml", elsewhere)
    refused = distil(clone)
    sentence = refused.stderr.strip().splitlines()[-1]
    assert refused.returncode == 1
    assert "is restricted and may not be sent to http://models.clinic.invalid/v1" in sentence
    assert made.server.asked == [] and not (clone / "data/knowledge/experience.parquet").exists()
    set_params(clone / "params.yaml", [f"runtime.llm_base_url={made.server.url}"])
    assert distil(clone).returncode == 0, "loopback"
    assert made.server.asked


def test_a_fresh_clone_asks_nothing_and_gives_the_same_bytes(made, clone):
    """The out, which DVC empties before the stage runs, comes from DVC's cache."""
    shutil.rmtree(clone / ".sediff/answers")
    shutil.rmtree(clone / "data/knowledge")
    assert "answers taken from the last out" in repro(clone)
    assert contents(clone) == contents(made.folder)
    assert made.server.asked == []
    assert store_of(clone).list_keys() == store_of(made.folder).list_keys()


def test_a_budget_where_no_model_is_asked_is_refused(made, clone):
    refused = command(clone, sys.executable, "-c", MAIN, "run", "corpus", "--budget", "5tokens")
    assert refused.returncode == 1 and "--budget is a language model's" in refused.stderr


def test_fallbacks_are_asked_again_though_the_stage_is_up_to_date(made, clone):
    assert "nothing ran" in sediff(clone, "run", "knowledge")
    made.server.play = lambda asked: report()
    before = read_json(clone / "reports/knowledge/metrics.json")
    said = sediff(clone, "run", "knowledge", "--retry-fallbacks", "--budget", "2000000tokens")
    after = read_json(clone / "reports/knowledge/metrics.json")
    assert after["fallbacks"] == {} and set(after["distillers"]) == {"llm:m"}
    assert f"this run: {len(made.server.asked)} calls" in said and 0 < len(made.server.asked) < before["answers"]
    assert all(REFUSED in request["messages"][1]["content"] for request in made.server.asked)
    assert "nothing ran" in sediff(clone, "run", "knowledge")


def test_a_spent_budget_ends_the_stage_and_the_next_run_goes_on(made, clone, monkeypatch):
    forget(clone)
    monkeypatch.setenv(BUDGET, "30000tokens")
    stopped = distil(clone)
    assert "answers of the last out are not here" in stopped.stderr
    assert stopped.returncode == 1 and "The budget of 30000 tokens does not suffice" in stopped.stderr
    paid = len(made.server.asked)
    assert 5 < paid <= 25 and len(store_of(clone).list_keys()) == paid
    monkeypatch.delenv(BUDGET)
    assert distil(clone).returncode == 0
    assert len(made.server.asked) == len(store_of(made.folder).list_keys()), "none is asked for twice"
    assert contents(clone) == contents(made.folder)


@pytest.mark.slow  # two whole runs through Prefect
def test_a_budget_in_money_ends_a_run_and_one_with_more_goes_on(made, clone):
    """1000 tokens at 1 USD and 200 at 2 USD a million: an answer costs 0.0014 USD."""
    forget(clone)
    set_params(clone / "params.yaml", ["runtime.llm_input_price=1", "runtime.llm_output_price=2"])
    stopped = command(clone, sys.executable, "-c", MAIN, "run", "knowledge", "--budget", "0.03usd")
    assert stopped.returncode == 1 and "The budget of 0.03 USD does not suffice for another call" in stopped.stderr
    paid = len(made.server.asked)
    assert 5 < paid <= 0.03 / 0.0014 and len(store_of(clone).list_keys()) == paid
    assert f"this run: {paid} calls, {1200 * paid} tokens, {0.0014 * paid:.4g} USD" in stopped.stderr
    assert not (clone / "data/knowledge/experience.parquet").exists(), "the stage is incomplete"
    said = sediff(clone, "run", "knowledge", "--budget", "5usd")
    rest = len(made.server.asked) - paid
    assert f"this run: {rest} calls, {1200 * rest} tokens, {0.0014 * rest:.4g} USD" in said
    assert paid + rest == len(store_of(made.folder).list_keys()), "none is asked for twice"
    assert contents(clone) == contents(made.folder)


def test_a_kill_of_the_stage_loses_no_paid_answer(made, clone):
    forget(clone)
    made.server.play = lambda asked: refusing(asked)._replace(delay=0.2)
    stage = subprocess.Popen([sys.executable, "-m", "flows.knowledge"], cwd=clone, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(store_of(clone).list_keys()) < 8 and time.monotonic() < deadline:
        assert stage.poll() is None
        time.sleep(0.01)
    stage.send_signal(signal.SIGKILL)
    stage.wait()
    kept = store_of(clone).list_keys()
    assert 8 <= len(kept) < len(store_of(made.folder).list_keys())
    time.sleep(0.5)
    made.server.asked.clear()
    made.server.play = refusing
    assert distil(clone).returncode == 0
    assert len(made.server.asked) == len(store_of(made.folder).list_keys()) - len(kept)
    assert contents(clone) == contents(made.folder)


def test_a_remote_keeps_answers_through_dvcs_collector(made, clone, tmp_path):
    dvc = (sys.executable, "-m", "dvc")
    assert command(clone, *dvc, "remote", "remove", "folder").returncode == 0
    said = command(clone, sys.executable, "-c", MAIN, "knowledge", "answers", "push")
    assert said.returncode == 1 and "No default DVC remote is configured" in said.stderr
    remote = tmp_path / "remote"
    assert command(clone, *dvc, "remote", "add", "-d", "here", str(remote)).returncode == 0
    keys = store_of(clone).list_keys()
    damaged = store_of(clone).path(keys[0])
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-9])
    (clone / ".sediff/answers/notes.txt").write_text("not an answer")
    assert f"{len(keys) - 1} answers pushed" in (pushed := sediff(clone, "knowledge", "answers", "push"))
    assert "1 left out, being damaged" in pushed
    damaged.write_bytes(good)
    assert "1 answers pushed" in sediff(clone, "knowledge", "answers", "push")
    assert f"0 answers pushed to {remote}/answers, {len(keys)} were there" in sediff(
        clone, "knowledge", "answers", "push"
    )
    assert command(clone, *dvc, "push", "-q").returncode == 0
    assert command(clone, *dvc, "gc", "-w", "-c", "-f").returncode == 0
    assert sorted(path.stem for path in (remote / "answers").iterdir()) == keys

    own = store_of(clone).path(keys[1])
    before = own.read_bytes()
    damaged.write_bytes(b"damaged")
    store_of(clone).path(keys[2]).unlink()
    (remote / f"answers/{keys[3]}.json").write_bytes(b"damaged")
    store_of(clone).path(keys[3]).unlink()
    pulled = sediff(clone, "knowledge", "answers", "pull")
    assert "2 answers pulled" in pulled and "1 left out, being damaged" in pulled
    assert damaged.read_bytes() == good and own.read_bytes() == before
    assert store_of(clone).list_keys() == [key for key in keys if key != keys[3]]


def test_a_clone_without_answers_has_them_from_the_remote_and_asks_nobody(made, clone, tmp_path, monkeypatch):
    """DVC's cache and remote have no out that would bring them."""
    dvc = (sys.executable, "-m", "dvc")
    assert command(clone, *dvc, "remote", "add", "-d", "here", str(tmp_path / "remote")).returncode == 0
    sediff(clone, "knowledge", "answers", "push")
    forget(clone)
    keys = store_of(made.folder).list_keys()
    assert f"{len(keys)} answers pulled" in sediff(clone, "knowledge", "answers", "pull")
    monkeypatch.delenv("OPENAI_API_KEY")
    repeated = distil(clone)
    assert repeated.returncode == 0, repeated.stderr
    assert "answers of the last out are not here" in repeated.stderr and made.server.asked == []
    assert contents(clone) == contents(made.folder)
    assert store_of(clone).list_keys() == keys


def test_a_remote_that_does_not_work_is_one_sentence(clone, tmp_path):
    dvc = (sys.executable, "-m", "dvc")
    (tmp_path / "file").write_text("no folder")
    assert command(clone, *dvc, "remote", "add", "-d", "here", str(tmp_path / "file/remote")).returncode == 0
    for verb in ("push", "pull"):
        said = command(clone, sys.executable, "-c", MAIN, "knowledge", "answers", verb)
        assert said.returncode == 1 and "Traceback" not in said.stderr
        assert "DVC remote here does not work (NotADirectoryError): check it." in said.stderr


def test_a_damaged_answer_stops_the_stage_and_is_named(made, clone):
    key = store_of(clone).list_keys()[0]
    path = store_of(clone).path(key)
    path.write_text("{}")
    assert "answers taken" in repro(clone), "the last out mends it"
    assert read_json(path)["request"] and made.server.asked == []
    path.write_text("{}")
    shutil.rmtree(clone / "data/knowledge")
    shutil.rmtree(clone / ".dvc/cache")
    result = distil(clone)
    assert result.returncode == 1 and f"{key}.json is damaged" in result.stderr


def test_places_that_a_killed_run_left_taken_are_freed(server, tmp_path, monkeypatch):
    from prefect import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
    from prefect.concurrency.sync import concurrency

    from flows.answers import _slots

    monkeypatch.chdir(tmp_path)
    limit = _slots(2).args[0]
    with get_client(sync_client=True) as client:
        client.update_global_concurrency_limit(limit, GlobalConcurrencyLimitUpdate(active_slots=2))
        with pytest.raises(TimeoutError), concurrency(limit, timeout_seconds=3, strict=True):
            pass
        slot = _slots(2)
        with slot(timeout_seconds=60), slot(timeout_seconds=60):
            assert client.read_global_concurrency_limit_by_name(limit).active_slots == 2
        assert client.read_global_concurrency_limit_by_name(limit).active_slots == 0


def test_doctor_knows_the_endpoint(made, clone, monkeypatch):
    assert f"ok  LLM: m at {made.server.url}" in sediff(clone, "doctor")
    path = clone / "params.yaml"
    path.write_text(path.read_text().replace(made.server.url, "https://llm.example.org/v1"))
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "--  LLM: OPENAI_API_KEY is not set" in sediff(clone, "doctor")


def test_asking_again_needs_a_model(clone):
    sediff(clone, "run", "corpus", "--set", "knowledge.distiller=offline")
    said = command(clone, sys.executable, "-c", MAIN, "run", "--retry-fallbacks")
    assert said.returncode == 1 and "--retry-fallbacks asks a language model again" in said.stderr


def test_experiences_name_their_distiller(made):
    rows = pl.read_parquet(made.folder / "data/knowledge/experience.parquet")
    assert set(rows["distiller"]) == {"llm:m", "offline"} and set(rows["fallback_reason"]) == {None, "refusal"}
    assert os.environ["OPENAI_API_KEY"] == KEY
