import json
import logging
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest

from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.knowledge.answers import AnswerStore, answer_key
from sediff.knowledge.budget import Budget, Meter, Prices, Usage
from sediff.knowledge.llm import Answered, LlmAccess, LlmDistiller
from sediff.knowledge.params import KnowledgeParams

from .llm_server import REPORT, LlmServer, Reply, completion, report, serving

ROOT = Path(__file__).parents[2]
KEY = "sk-Very5ecretKeyOfNobody"
PARAMS = KnowledgeParams(distiller="llm", model="m")
PROMPT: dict[str, Any] = {"condition": "Sinus rhythm.", "neighbours": [{"id": "N1"}, {"id": "N2"}]}
TEXT = " ".join(REPORT["text"].split())


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def distiller(server: LlmServer, answers: Path, timeout: float = 5, retries: int = 0, **access: Any) -> LlmDistiller:
    endpoint = Endpoint(server.url, "m", timeout=timeout, retries=retries)
    return LlmDistiller(LlmAccess(endpoint, **access), PARAMS, AnswerStore(answers))


def distil(asking: LlmDistiller, *prompts: dict[str, Any], names: tuple[str, ...] = ()) -> list[Answered]:
    return asking.distil(prompts, [names] * len(prompts))


def others(count: int) -> list[dict[str, Any]]:
    return [{**PROMPT, "condition": f"Condition {number}."} for number in range(count)]


def test_a_good_answer_is_used_kept_and_not_asked_for_again(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with serving(report()) as server:
        asking = distiller(server, tmp_path)
        first = distil(asking, PROMPT, PROMPT)
        assert asking.metrics() == {
            "answers": 1, "answers_asked_again": 0, "prompt_tokens": 1000, "completion_tokens": 200,
        }  # fmt: skip
        again = distil(distiller(server, tmp_path), PROMPT)
        assert len(server.asked) == 1
    assert [(a.report.model_dump(mode="json"), a.distiller, a.fallback_reason) for a in first] == [
        ({**REPORT, "text": TEXT}, "llm:m", None)
    ] * 2
    assert again == first[:1]
    assert server.prompts() == [PROMPT]
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"{answer_key(asking.request(PROMPT))}.json"
    assert KEY not in kept.read_text() and KEY not in caplog.text
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_the_schema_that_is_sent_is_strict_and_has_no_bounds_that_endpoints_refuse(tmp_path):
    with serving(report()) as server:
        distil(distiller(server, tmp_path), PROMPT)
    asked = server.asked[0]
    form = asked["response_format"]["json_schema"]
    assert form["strict"] and asked["max_tokens"] == PARAMS.max_tokens and asked["temperature"] == 0
    objects = [form["schema"], *form["schema"]["$defs"].values()]
    assert all(o["additionalProperties"] is False and o["required"] == list(o["properties"]) for o in objects)
    assert not {"minLength", "maxLength", "maxItems", "minimum", "maximum"} & set(json.dumps(form).split('"'))


def test_what_an_endpoint_does_not_take_is_not_sent(tmp_path):
    params = PARAMS.model_copy(update={"temperature": None, "length_parameter": "max_completion_tokens"})
    with serving(report()) as server:
        endpoint = Endpoint(server.url, "m")
        LlmDistiller(LlmAccess(endpoint), params, AnswerStore(tmp_path)).distil([PROMPT], [()])
    assert server.asked[0]["max_completion_tokens"] == params.max_tokens
    assert not {"temperature", "max_tokens"} & set(server.asked[0])


FAULTS = [
    (completion(None, refusal="I will not"), "refusal"),
    (completion(None, finish="content_filter"), "refusal"),
    (Reply(b'{"error": {"message": "filtered", "code": "content_filter"}}', 400), "refusal"),
    (completion(json.dumps(REPORT)[:40], finish="length"), "length"),
    (report(text="long " * 1000), "length"),
    (completion("no JSON at all"), "schema"),
    (completion(json.dumps({k: v for k, v in REPORT.items() if k != "rhythm"})), "schema"),
    (report(pulse=72), "schema"),
    (report(confidence="high"), "schema"),
    (report(heart_rate={"low": 800, "expected": 900, "high": 950}), "range"),
    (report(qtcf={"low": 430, "expected": 410, "high": 400}), "range"),
    (report(confidence=1.5), "range"),
    (report(cited=["N1", "N9"]), "citation"),
    (report(cited=[]), "citation"),
    (report(text="Neighbour N7 has a tall R wave in V5."), "citation"),
    (report(rhythm="as on 12.03.2019"), "identifier"),
    (report(findings=["LVH of record cohort/00042"]), "identifier"),
]


@pytest.mark.parametrize(("reply", "reason"), FAULTS)
def test_a_faulty_answer_is_asked_again_once_then_falls_back_and_that_is_kept(reply, reason, tmp_path):
    with serving(reply) as server:
        expected = [Answered(None, "llm:m", reason)]
        assert distil(distiller(server, tmp_path), PROMPT, names=("cohort/00042",)) == expected
        assert len(server.asked) == 2
        again = distiller(server, tmp_path)
        assert distil(again, PROMPT, names=("cohort/00042",)) == expected
        assert len(server.asked) == 2
        assert again.metrics()["answers"] == 2 and again.metrics()["answers_asked_again"] == 1
    assert server.asked[0]["messages"] == server.asked[1]["messages"][:2]


def test_the_second_request_says_what_was_wrong_and_may_mend_it(tmp_path):
    replies = iter([report(heart_rate={"low": 800, "expected": 900, "high": 950}), report()])
    with serving(lambda asked: next(replies)) as server:
        (answered,) = distil(distiller(server, tmp_path), PROMPT)
        assert distil(distiller(server, tmp_path), PROMPT) == [answered]
        assert len(server.asked) == 2
    assert answered.report and answered.fallback_reason is None
    answer, told = server.asked[1]["messages"][2:]
    assert '"expected": 900' in answer["content"]
    assert "heart_rate: Value error, must lie between 20 and 300" in told["content"]


def test_without_neighbours_nobody_is_asked(tmp_path):
    with serving(report()) as server:
        answered = distil(distiller(server, tmp_path), {**PROMPT, "neighbours": []}, PROMPT)
        assert len(server.asked) == 1
    assert [a.fallback_reason for a in answered] == ["no similar patient", None]


ECHO = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY, "type": KEY}}).encode()
WEATHER = [
    (Reply(ECHO, 500), 0, "does not work .status 500"),
    (Reply(ECHO, 401), 0, "refuses the key: check OPENAI_API_KEY"),
    (Reply(ECHO, 404), 0, "knows no such address or model"),
    (Reply(ECHO, 400), 0, "does not take the request"),
    (Reply(ECHO, 429, {"Retry-After": "3600"}), 3, "it asks for a pause of 3600 s"),
    (Reply(ECHO, 429, {"retry-after-ms": "3600000"}), 3, "it asks for a pause of 3600 s"),
    (Reply(ECHO, 429, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}), 3, r"it asks for a pause of 2\.\d+e\+11 s"),
    (Reply(ECHO, 302, {"Location": "http://127.0.0.1:9/v1"}), 0, "status 302"),
    (report()._replace(lost=50), 0, "could not be asked"),
    (report()._replace(delay=3), 0, "does not answer in time"),
    (Reply(endless=b" "), 0, "without an end"),
    (Reply(drips=0.1), 0, "without an end"),
    (Reply(endless=b" " * 2**20), 0, "without an end"),
    (report()._replace(headers={"Content-Encoding": "gzip"}), 0, "could not be asked"),
    (Reply(b"<html>log in</html>"), 0, "something else than a chat completion"),
    (Reply(b'{"choices": []}'), 0, "something else than a chat completion"),
    (Reply(b'{"choices": [{"message": {"content": [1]}}]}'), 0, "something else than a chat completion"),
    (Reply(report().body[:-60]), 0, "something else than a chat completion"),
    *(
        (Reply(body), 0, "something else than a chat completion")
        for body in (
            b"[1]",
            b"null",
            b'"x"',
            b'{"choices": 5}',
            b'{"choices": [null]}',
            b'{"choices": [{"message": 3}]}',
            b"[" * 10**6,
            b"\xff",
        )
    ),
]


@pytest.mark.parametrize(("reply", "retries", "sentence"), WEATHER)
def test_a_fault_of_the_network_ends_the_stage_and_is_not_kept(reply, retries, sentence, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    started = time.monotonic()
    with serving(reply) as server, pytest.raises(UserError, match=sentence) as error:
        distil(distiller(server, tmp_path, timeout=1, retries=retries), PROMPT)
    assert time.monotonic() - started < 10
    assert "run again" in str(error.value)
    assert KEY not in str(error.value) and KEY not in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["sk-schlüssel", "sk-1\n2"])
def test_a_key_that_no_header_takes_is_refused_before_anything_is_asked(key, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    meter = Meter()
    with serving(report()) as server, pytest.raises(UserError, match="OPENAI_API_KEY has characters") as error:
        distil(distiller(server, tmp_path, meter=meter), PROMPT)
    assert not server.asked and key not in str(error.value)


def http_date(seconds: float) -> str:
    """The date so many seconds from now, cut to whole seconds."""
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        (lambda: {"Retry-After": "2"}, 2),
        (lambda: {"Retry-After": "1.5"}, 1.5),
        (lambda: {"retry-after-ms": "1500"}, 1.5),
        (lambda: {"retry-after-ms": "1500", "Retry-After": "100"}, 1.5),
        (lambda: {"retry-after-ms": "soon", "Retry-After": "1.5"}, 1.5),
        (lambda: {"Retry-After": http_date(3)}, 2),
    ],
)
def test_a_pause_that_the_endpoint_asks_for_is_kept_and_then_goes_on(headers, least, tmp_path):
    times: list[float] = []

    def play(asked: dict[str, Any]) -> Reply:
        times.append(time.monotonic())
        return [Reply(status=429, headers=headers()), Reply(status=503), report()][len(times) - 1]

    with serving(play) as server:
        meter = Meter()
        (answered,) = distil(distiller(server, tmp_path, retries=2, meter=meter), PROMPT)
    assert answered.report and len(times) == 3
    assert meter.told() == "this run: 1 calls (2 more failed), 1200 tokens"
    assert least - 0.01 <= times[1] - times[0] < least + 5


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": http_date(-3600)},
        {"Retry-After": "tomorrow"},
        {"Retry-After": "-5"},
        {"Retry-After": "nan"},
        {"Retry-After": "inf"},
        {"Retry-After": "Fri, 31 Dec 999999 23:59:59 GMT"},
    ],
)
def test_a_pause_that_cannot_be_is_none(headers, tmp_path):
    replies = iter([Reply(status=429, headers=headers), report()])
    started = time.monotonic()
    with serving(lambda asked: next(replies)) as server:
        (answered,) = distil(distiller(server, tmp_path, retries=1), PROMPT)
    assert answered.report and time.monotonic() - started < 10


def test_a_key_that_an_endpoint_repeats_in_its_answer_is_not_kept(tmp_path):
    with serving(report(text=f"Sinus rhythm, with the key {KEY} in it.")) as server:
        distil(distiller(server, tmp_path), PROMPT)
    assert list(tmp_path.iterdir()) and not any(KEY in path.read_text() for path in tmp_path.iterdir())


def test_half_a_surrogate_pair_in_a_paid_answer_does_not_lose_it(tmp_path):
    with serving(completion("abc \ud83d", finish="\ud83d")) as server:
        assert distil(distiller(server, tmp_path), PROMPT) == [Answered(None, "llm:m", "schema")]
    store = AnswerStore(tmp_path)
    kept = [store.get(key) for key in store.list_keys()]
    assert [answer["content"] for answer in kept if answer] == ["abc ?"] * 2


def test_answers_before_a_fault_are_kept(tmp_path):
    prompts = others(6)
    with serving(lambda asked: report() if "Condition 4" not in str(asked) else Reply(status=500)) as server:
        with pytest.raises(UserError, match="status 500"):
            distil(distiller(server, tmp_path, concurrency=1), *prompts)
        assert len(list(tmp_path.iterdir())) in (4, 5), "the next call may have begun"
        server.play = lambda asked: report()
        assert all(a.report for a in distil(distiller(server, tmp_path), *prompts))
        assert len(server.asked) == 7


def test_calls_go_on_at_the_same_time_up_to_the_limit_and_give_the_same(tmp_path):
    prompts = others(24)

    def play(asked: dict[str, Any]) -> Reply:
        condition = json.loads(asked["messages"][1]["content"])["condition"]
        return report(text=f"What is expected of {condition}")._replace(delay=0.05)

    with serving(play) as server:
        many = distiller(server, tmp_path / "many", concurrency=6)
        told = distil(many, *prompts)
        assert 3 <= server.most <= 6
        assert [a.report.text.split()[-1] for a in told if a.report] == [f"{number}." for number in range(24)]
        one = distiller(server, tmp_path / "one", concurrency=1)
        assert distil(one, *prompts) == told
    many.store.export(many.used, tmp_path / "many.parquet")
    one.store.export(one.used, tmp_path / "one.parquet")
    assert (tmp_path / "many.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_a_slot_is_held_by_each_call(tmp_path):
    held, most, lock = 0, 0, Lock()

    class Slot:
        def __enter__(self) -> None:
            nonlocal held, most
            with lock:
                held += 1
                most = max(most, held)

        def __exit__(self, *ended: object) -> None:
            nonlocal held
            with lock:
                held -= 1

    with serving(report()) as server:
        distil(distiller(server, tmp_path, slot=Slot), *others(8))
    assert held == 0 and 1 <= most <= 4


def test_fallbacks_are_asked_again_where_wanted_and_only_they(tmp_path):
    prompts, bad = others(3), completion(None, refusal="no")
    with serving(lambda asked: bad if "Condition 1" in str(asked) else report()) as server:
        first = distil(distiller(server, tmp_path), *prompts)
        assert [a.fallback_reason for a in first] == [None, "refusal", None] and len(server.asked) == 4
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert distil(distiller(server, tmp_path, retry_fallbacks=True), *prompts) == first
        assert len(server.asked) == 6, "once more, in two requests"
        server.play = lambda asked: report()
        mended = distil(distiller(server, tmp_path, retry_fallbacks=True), *prompts)
        assert all(a.report for a in mended) and len(server.asked) == 7
        last = distiller(server, tmp_path)
        assert distil(last, *prompts) == mended and len(server.asked) == 7
    assert last.metrics()["answers"] == 7, "of all rounds, so that a fresh clone finds its way"
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_budget_in_tokens_ends_the_stage_and_is_never_exceeded(tmp_path):
    with serving(report()) as server:
        meter = Meter(Budget.parse("20000tokens", Prices()))
        with pytest.raises(UserError, match=r"budget of 20000 tokens does not suffice.*run again"):
            distil(distiller(server, tmp_path, meter=meter, concurrency=8), *others(40))
        asked = len(server.asked)
        assert 10 <= asked <= 16 and len(list(tmp_path.iterdir())) == asked
        assert meter.spent == Usage(1000 * asked, 200 * asked)
        assert all(a.report for a in distil(distiller(server, tmp_path), *others(40)))
        assert len(server.asked) == 40


def test_tries_that_may_have_been_billed_count_against_the_budget(tmp_path):
    """Three calls that time out, then an answer; with a budget for two of them there is no third."""

    def late(server: LlmServer) -> None:
        server.play = lambda asked: report()._replace(delay=4 if len(server.asked) < 4 else 0)

    prices = Prices(1.0, 2.0)
    with serving(report()) as server:
        late(server)
        meter = Meter(prices=prices)
        assert distil(distiller(server, tmp_path / "one", timeout=1.5, retries=3, meter=meter), PROMPT)[0].report
        most = (meter.spent.total - 1200) // 3
        assert meter.spent.completion == 3 * PARAMS.max_tokens + 200 and most > 1200
        told = f"this run: 1 calls (3 more failed), {meter.spent.total} tokens, of which 3 calls' are a guess, "
        assert meter.told() == f"{told}{prices.of(meter.spent):.4g} USD"
        server.asked.clear()
        meter = Meter(Budget(2.5 * most, "tokens"))
        with pytest.raises(UserError, match=r"budget of .* does not suffice") as error:
            distil(distiller(server, tmp_path / "two", timeout=1.5, retries=3, meter=meter), PROMPT)
        assert len(server.asked) == 2 and meter.spent.total == 2 * most
        assert f"(this run: 0 calls (2 more failed), {2 * most} tokens, of which 2 calls' are a guess)" in str(
            error.value
        )


def test_the_sentence_that_ends_the_run_says_what_was_spent(tmp_path):
    def play(asked: dict[str, Any]) -> Reply:
        return report() if len(server.asked) <= 5 else Reply(status=500)

    with serving(play) as server:
        meter = Meter(prices=Prices(1.0, 2.0))
        with pytest.raises(UserError, match="status 500") as error:
            distil(distiller(server, tmp_path, retries=1, meter=meter, concurrency=1), *others(8))
    failed = len(server.asked) - 5
    assert failed >= 2 and f"(this run: 5 calls ({failed} more failed), 6000 tokens, 0.007 USD)" in str(error.value)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_port_where_nobody_listens_costs_nothing(tmp_path):
    with serving(report()) as server:
        asking = distiller(server, tmp_path)
    asking.access.meter.budget = Budget(1e9, "tokens")
    with pytest.raises(UserError, match=r"could not be asked.*\(this run: 0 calls \(1 more failed\), 0 tokens\)"):
        distil(asking, PROMPT)


def test_a_budget_in_money_needs_prices():
    with pytest.raises(UserError, match=r"set runtime\.llm_input_price"):
        Budget.parse("5usd", Prices())
    with pytest.raises(UserError, match="write a number of tokens or of US dollars"):
        Budget.parse("5 apples", Prices(1, 2))
    with pytest.raises(UserError, match="--budget 0tokens allows no call"):
        Budget.parse("0tokens", Prices())
    prices = Prices(10.0, 100.0)
    assert Budget.parse("0.5 USD", prices) == Budget(0.5, "usd") and Budget.parse("", prices) is None
    meter = Meter(Budget.parse("0.05usd", prices), prices)
    meter.begin(Usage(1000, 300))
    meter.answered(Usage(1000, 300), Usage(1000, 200))
    meter.end(Usage(1000, 300))
    assert meter.told() == "this run: 1 calls, 1200 tokens, 0.03 USD"
    with pytest.raises(UserError, match=r"budget of 0\.05 USD"):
        meter.begin(Usage(1000, 300))
    meter.begin(Usage(1000, 100))
    meter.answered(Usage(1000, 100), None)
    meter.end(Usage(1000, 100))
    assert "2300 tokens, of which 1 calls' are a guess" in meter.told()


def test_what_shapes_an_answer_is_in_its_key(tmp_path):
    endpoint = Endpoint("http://127.0.0.1:1/v1", "m")
    changed = tmp_path / "experience.md"
    changed.write_text("Say nothing.")

    def key_of(endpoint=endpoint, params=PARAMS, prompt=PROMPT, number=0, faulty=None, **instructions) -> str:
        asking = LlmDistiller(LlmAccess(endpoint), params, AnswerStore(tmp_path), **instructions)
        return answer_key(asking.request(prompt, number, faulty))

    keys = [
        key_of(),
        key_of(prompt={**PROMPT, "condition": ""}),
        key_of(Endpoint("http://127.0.0.1:1/v1", "n")),
        key_of(Endpoint("http://127.0.0.1:2/v1", "m")),
        key_of(params=PARAMS.model_copy(update={"temperature": 1.0})),
        key_of(params=PARAMS.model_copy(update={"max_tokens": 100})),
        key_of(number=1),
        key_of(faulty={"content": "no"}),
        key_of(instructions=changed),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(Endpoint("http://127.0.0.1:1/v1/", "m", timeout=1, retries=7)) == keys[0]


PROGRAM = """
import sys
from pathlib import Path
from sediff.endpoint import Endpoint
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.llm import LlmAccess, LlmDistiller
from sediff.knowledge.params import KnowledgeParams

params = KnowledgeParams(distiller="llm", model="m")
access = LlmAccess(Endpoint(sys.argv[1], "m"), concurrency=4)
prompts = [{"condition": f"Condition {n}.", "neighbours": [{"id": "N1"}]} for n in range(40)]
LlmDistiller(access, params, AnswerStore(Path(sys.argv[2]))).distil(prompts, [()] * 40)
"""


def test_a_kill_loses_no_paid_answer(tmp_path):
    released, lock, begun = Event(), Lock(), 0

    def play(asked: dict[str, Any]) -> Reply:
        nonlocal begun
        with lock:
            begun += 1
            held = begun > 25
        if held:
            released.wait(60)
        return report()

    with serving(play) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, server.url, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("[0-9a-f]*.json"))) < 25 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        paid = AnswerStore(tmp_path).list_keys()
        assert len(paid) == 25 == server.answered
        released.set()
        while server.under_way:
            time.sleep(0.02)
        asked = len(server.asked)
        prompts = [{"condition": f"Condition {number}.", "neighbours": [{"id": "N1"}]} for number in range(40)]
        assert all(a.report for a in distil(distiller(server, tmp_path), *prompts))
        assert len(server.asked) - asked == 15
    assert set(paid) <= set(AnswerStore(tmp_path).list_keys())
