"""One question to an OpenAI-compatible endpoint, and what it answered, with no judgement of the content.

A fault of the network, the endpoint or the account is weather: it ends the stage with a sentence and is never kept.
Whatever an endpoint says of itself stays out of that sentence, since some repeat the key.
"""

import math
import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from threading import Event, Thread
from typing import Any

import httpx2
import openai
from openai import OpenAI
from openai.types.chat import ChatCompletion

from sediff.endpoint import KEY, Endpoint
from sediff.errors import UserError
from sediff.knowledge.budget import Meter, Usage
from sediff.knowledge.report import Report

NAME = "experience_report"
LONGEST = 20_000  # characters of an answer that are kept; no report is as long
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # s, between tries; twice as long each time
LIMITS = 3  # time limits of a try: until it is connected, until an answer begins, and until it ends
LONGEST_WAIT = 120.0  # s that an endpoint may ask for
AGAIN = {408, 409, 429}  # with all from 500 on: faults that pass
WAITED = {408, 502, 504, 524}  # answers of a gateway for whoever answers too late
FILTERED = {"content_filter", "content_policy_violation"}  # codes of status 400 that speak of the content
BOUNDS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"})
KEPT = "run again to go on, the answers so far are kept"
MEND = {
    400: "does not take the request: check that the model gives structured output and takes knowledge.temperature "
    "and knowledge.length_parameter",
    401: f"refuses the key: check {KEY}",
    402: "wants to be paid first: check the account",
    403: f"refuses the key: check {KEY} and what it may use",
    404: "knows no such address or model: check runtime.llm_base_url and knowledge.model",
    422: "does not take the request: check that the model gives structured output",
    429: "takes no more requests now: check the account's limits, or lower runtime.llm_concurrency",
}


def report_schema() -> dict[str, Any]:
    """`Report` as the JSON schema that an endpoint is given.

    In what all endpoints take in strict mode: every property is required and no other allowed, as pydantic writes it,
    but several refuse bounds of lengths and numbers, so these stand in the instructions and are checked here.
    """
    schema: dict[str, Any] = _without(Report.model_json_schema(), BOUNDS)
    return schema


def require_key_of_ascii() -> None:
    """Refuse a key that no HTTP header takes, before anything is asked or metered.

    Raises:
        UserError: it has other letters than ASCII, or a line break.
    """
    key = os.environ.get(KEY, "")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{KEY} has characters that no key has, such as a line break: set it again.")


class _FaultError(Exception):
    """A try without an answer: the sentence for it; whether it may have been billed; whether another try may help."""

    def __init__(self, told: UserError, billed: bool, again: bool, pause: float = 0.0) -> None:
        super().__init__(str(told))
        self.told, self.billed, self.again, self.pause = told, billed, again, pause


def ask(
    client: OpenAI,
    endpoint: Endpoint,
    messages: list[Any],
    settings: dict[str, Any],
    meter: Meter,
    most: Usage,
    stop: Event,
) -> dict[str, Any]:
    """Ask, and again on faults of the network, waiting as long as the endpoint wants; each try is metered.

    Args:
        most: tokens that a try may take.
        stop: set where no try may begin any more.

    Returns:
        content and refusal, texts or None; finish_reason; usage, prompt and completion tokens, or None.

    Raises:
        UserError: a fault of the network, the endpoint or the account; the budget is spent; or the run was stopped.
    """
    once = client.with_options(max_retries=0)
    for number in range(endpoint.retries + 1):
        meter.begin(most)
        try:
            if stop.is_set():
                raise UserError(f"The run was stopped: {KEPT}.")
            answer = _try(once, endpoint, messages, settings)
            meter.answered(most, usage_of(answer))
            return answer
        except _FaultError as fault:
            meter.failed(most, fault.billed)
            if not fault.again or number == endpoint.retries:
                raise fault.told from None
            pause = fault.pause or min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) * random.uniform(0.75, 1)
        finally:
            meter.end(most)
        stop.wait(pause)
    raise AssertionError("the last try returns or raises")


def _try(client: OpenAI, endpoint: Endpoint, messages: list[Any], settings: dict[str, Any]) -> dict[str, Any]:
    form: Any = {"type": "json_schema", "json_schema": {"name": NAME, "schema": report_schema(), "strict": True}}
    completion: Any = None

    def call() -> Any:
        return client.chat.completions.with_raw_response.create(
            model=endpoint.model, messages=messages, response_format=form, **settings
        ).parse()

    try:
        completion = _within(LIMITS * endpoint.timeout, call)
    except TimeoutError:
        told = UserError(f"{endpoint.base_url} does not answer in time, or without an end: {KEPT}.")
        raise _FaultError(told, billed=True, again=True) from None
    except openai.APIStatusError as error:
        if error.status_code == 400 and error.code in FILTERED:
            return {"content": None, "refusal": None, "finish_reason": "content_filter", "usage": None}
        raise _refused(endpoint, error) from None
    except openai.OpenAIError as error:
        what = "does not answer in time, or without an end" if isinstance(error, openai.APITimeoutError) else ""
        what = what or f"could not be asked ({type(error).__name__})"
        told = UserError(f"{endpoint.base_url} {what}: {KEPT}.")
        reached = not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
        raise _FaultError(told, reached, isinstance(error, openai.APIConnectionError)) from None
    except (ValueError, RecursionError):
        pass  # no JSON
    return _answer(completion, endpoint)


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """What a call gives or raises, or TimeoutError: headers that drip in keep within the client's limits for ever.

    The thread of a call that was given up ends with its connection, or with this process.
    """
    ended: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            ended.append((call(), None))
        except BaseException as error:
            ended.append((None, error))

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not ended:
        raise TimeoutError
    answer, error = ended[0]
    if error is not None:
        raise error
    return answer


def _refused(endpoint: Endpoint, error: openai.APIStatusError) -> _FaultError:
    """A status that is no success; a gateway that waited in vain may have passed the request on."""
    status, pause = error.status_code, _pause(error.response.headers)
    again = (status in AGAIN or status >= 500) and pause <= LONGEST_WAIT
    return _FaultError(_weather(endpoint, status, pause), status in WAITED, again, pause)


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds that an endpoint asks to be left alone; 0 where it does not say, or says what cannot be.

    As the openai client reads it: `retry-after-ms`, or else `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
    """
    milliseconds, wait = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    ways: tuple[Callable[[], float], ...] = (
        lambda: float(milliseconds) / 1000,
        lambda: float(wait),
        lambda: parsedate_to_datetime(wait).timestamp() - time.time(),
    )
    for seconds in ways:
        with suppress(ValueError, OverflowError):
            if math.isfinite(asked := seconds()):
                return max(asked, 0.0)
    return 0.0


def usage_of(answer: dict[str, Any]) -> Usage | None:
    """Tokens of an answer; None where the endpoint did not say."""
    return Usage(**answer["usage"]) if answer["usage"] else None


def _answer(completion: Any, endpoint: Endpoint) -> dict[str, Any]:
    """What is kept of a completion."""
    choices = completion.choices if isinstance(completion, ChatCompletion) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message: Any = getattr(choice, "message", None)
    if choice is None or not all(_is_text(getattr(message, name, 0)) for name in ("content", "refusal")):
        told = UserError(f"{endpoint.base_url} answers with something else than a chat completion: {KEPT}.")
        raise _FaultError(told, billed=True, again=False)
    tokens = [getattr(completion.usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    known = all(isinstance(count, int) and count >= 0 for count in tokens)
    return {
        "content": _clean(message.content),
        "refusal": _clean(message.refusal),
        "finish_reason": _clean(str(choice.finish_reason)),
        "usage": dict(zip(Usage._fields, tokens, strict=True)) if known else None,
    }


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _clean(text: str | None) -> str | None:
    """A text as it can be kept: half a surrogate pair, which no file takes, is "?"; "" is None.

    Without the key, which an endpoint may repeat, and no longer than any report.
    """
    if not text:
        return None
    key = os.environ.get(KEY)
    text = text.encode("utf-8", "replace").decode()
    return (text.replace(key, "***") if key else text)[:LONGEST]


def _weather(endpoint: Endpoint, status: int, pause: float) -> UserError:
    told = MEND.get(status, "does not work")
    later = f"; it asks for a pause of {pause:.6g} s" if pause else ""
    return UserError(f"{endpoint.base_url} {told} (status {status}{later}); {KEPT}.")


def _without(node: Any, names: frozenset[str]) -> Any:
    if isinstance(node, dict):
        return {name: _without(value, names) for name, value in node.items() if name not in names}
    return [_without(value, names) for value in node] if isinstance(node, list) else node
