"""The LLM distiller: reports from any OpenAI-compatible endpoint, each checked, kept for ever and paid for once.

A question has rounds of two requests: what the first answer had wrong is told in the second. Each request has its own
answer in the store, so what was decided is read off the store: the first answer of the last round that passes the
checks, or the offline distiller with the last fault. A rerun asks nothing and gives the same bytes. To ask again for
what fell back begins another round.
"""

import json
import threading
from collections.abc import Callable, Iterable, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from openai import OpenAI

from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.files import sha256_json
from sediff.knowledge.answers import AnswerStore, answer_key
from sediff.knowledge.ask import ask, report_schema, require_key_of_ascii, usage_of
from sediff.knowledge.budget import Meter, Usage
from sediff.knowledge.check import Verdict, check
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.report import Report
from sediff.progress import track

INSTRUCTIONS = Path("knowledge/prompts/experience.md")
TRIES = 2  # of a round
SHOWN = 4000  # characters of a faulty answer that its second request repeats
SHORTEST_TOKEN = 2  # bytes, on average; for the most that a call may take, before it is made
NO_NEIGHBOUR = "no similar patient"


@dataclass(frozen=True)
class LlmAccess:
    """How a model is reached from here, and how it is asked.

    Attributes:
        concurrency: calls at a time.
        retry_fallbacks: whether to ask again for what fell back to the offline distiller.
        slot: held by each call, such as a place under a limit that several runs share.
    """

    endpoint: Endpoint
    concurrency: int = 4
    meter: Meter = field(default_factory=Meter)
    retry_fallbacks: bool = False
    slot: Callable[[], AbstractContextManager[Any]] = nullcontext


class Answered(NamedTuple):
    """A checked report and who wrote it; or None, and why the offline distiller has to."""

    report: Report | None
    distiller: str
    fallback_reason: str | None


class Decision(NamedTuple):
    """What the store says to a question, and the answers it rests on."""

    verdict: Verdict
    keys: tuple[str, ...]
    asked_again: int
    usage: Usage


class LlmDistiller:
    """Asks an endpoint what nobody asked before.

    Attributes:
        used: keys of the answers that the last `distil` rests on; tokens: of those; asked_again: second requests.
    """

    def __init__(
        self, access: LlmAccess, params: KnowledgeParams, store: AnswerStore, instructions: Path = INSTRUCTIONS
    ) -> None:
        if not instructions.is_file():
            raise UserError(f"{instructions} is missing: restore it from the repository.")
        self.access, self.store = access, store
        self.endpoint = access.endpoint
        self.instructions = instructions.read_text(encoding="utf-8")
        self.settings: dict[str, Any] = {params.length_parameter: params.max_tokens}
        if params.temperature is not None:
            self.settings["temperature"] = params.temperature
        self.longest = params.max_tokens
        self.used: set[str] = set()
        self.tokens, self.asked_again = Usage(), 0
        self._stop = threading.Event()
        self._opening = threading.Lock()

    def distil(self, prompts: Sequence[dict[str, Any]], identifiers: Iterable[Iterable[str]]) -> list[Answered]:
        """A report for each prompt, or why there is none.

        Args:
            identifiers: for each prompt the ids of records and patients that no answer may name.

        Raises:
            UserError: the endpoint cannot be reached or does not work, the budget is spent, or a kept answer is
                damaged; answers so far are kept.
        """
        questions: dict[str, tuple[dict[str, Any], set[str]]] = {}
        keys = [answer_key(self.request(prompt)) for prompt in prompts]
        for key, prompt, names in zip(keys, prompts, identifiers, strict=True):
            if prompt["neighbours"]:
                questions.setdefault(key, (prompt, set()))[1].update(names)
        decisions = self._decide(questions)
        self.used = {key for decision in decisions.values() for key in decision.keys}
        self.asked_again = sum(decision.asked_again for decision in decisions.values())
        self.tokens = Usage()
        for decision in decisions.values():
            self.tokens = self.tokens.plus(decision.usage)
        label = f"llm:{self.endpoint.model}"
        none = Decision(Verdict(None, NO_NEIGHBOUR), (), 0, Usage())
        verdicts = [decisions.get(key, none).verdict for key in keys]
        return [Answered(verdict.report, label, verdict.fault) for verdict in verdicts]

    def metrics(self) -> dict[str, int]:
        """Of the answers that the last `distil` rests on, whenever they were given."""
        return {
            "answers": len(self.used),
            "answers_asked_again": self.asked_again,
            "prompt_tokens": self.tokens.prompt,
            "completion_tokens": self.tokens.completion,
        }

    def request(self, prompt: dict[str, Any], number: int = 0, faulty: dict[str, Any] | None = None) -> dict[str, Any]:
        """All that shapes an answer; its hash is the answer's key.

        Args:
            number: of the round.
            faulty: the answer before. What it has wrong follows from it, so better words for that cost nothing.
        """
        request = {
            "endpoint": self.endpoint.base_url.rstrip("/"),
            "model": self.endpoint.model,
            "settings": self.settings,
            "schema": self._schema_hash,
            "instructions": sha256_json(self.instructions),
            "prompt": prompt,
            "round": number,
        }
        return {**request, "after": sha256_json(faulty)} if faulty else request

    @cached_property
    def _schema_hash(self) -> str:
        return sha256_json(report_schema())

    @cached_property
    def _client(self) -> OpenAI:
        require_key_of_ascii()
        return self.endpoint.client()

    def _decide(self, questions: dict[str, tuple[dict[str, Any], set[str]]]) -> dict[str, Decision]:
        """Decide all questions, several at a time; after a fault no call is begun, and those under way are kept."""
        self._stop.clear()
        with ThreadPoolExecutor(self.access.concurrency) as pool:
            futures: dict[Future[Decision], str] = {
                pool.submit(self._question, prompt, names): key for key, (prompt, names) in questions.items()
            }
            try:
                done = track(as_completed(futures), len(futures), "knowledge: answers", note=self.access.meter.told)
                return {futures[future]: future.result() for future in done}
            except BaseException as error:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                meter = self.access.meter
                if isinstance(error, UserError) and (meter.calls or meter.faults):
                    raise UserError(f"{str(error).removesuffix('.')} ({meter.told()}).") from None
                raise

    def _question(self, prompt: dict[str, Any], names: Set[str]) -> Decision:
        """The decision of the last round that the store knows, of the first one, or of another."""
        again = self.access.retry_fallbacks
        number, decision = 0, self._round(prompt, names, 0)
        while decision.verdict.report is None:
            known = self.store.get(answer_key(self.request(prompt, number + 1))) is not None
            if not known and not again:
                break
            again = again and known
            number += 1
            later = self._round(prompt, names, number)
            decision = Decision(
                later.verdict,
                (*decision.keys, *later.keys),
                decision.asked_again + later.asked_again,
                decision.usage.plus(later.usage),
            )
        return decision

    def _round(self, prompt: dict[str, Any], names: Set[str], number: int) -> Decision:
        """Ask, and once more where the first answer is faulty."""
        cited = {neighbour["id"] for neighbour in prompt["neighbours"]}
        answer, keys, usage, verdict = None, [], Usage(), Verdict(None)
        for _ in range(TRIES):
            request = self.request(prompt, number, answer)
            key = answer_key(request)
            messages = self._messages(prompt, answer, verdict.told)
            answer = self.store.get(key)
            if answer is None:
                answer = self._ask(messages)
                self.store.put(request, answer)
            keys.append(key)
            usage = usage.plus(usage_of(answer) or Usage())
            verdict = check(answer, cited, names)
            if verdict.report is not None:
                break
        return Decision(verdict, tuple(keys), len(keys) - 1, usage)

    def _ask(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        size = sum(len(message["content"].encode()) for message in messages) + len(json.dumps(report_schema()))
        most = Usage(size // SHORTEST_TOKEN, self.longest)
        with self._opening:
            client = self._client
        with self.access.slot():
            return ask(client, self.endpoint, messages, self.settings, self.access.meter, most, self._stop)

    def _messages(self, prompt: dict[str, Any], faulty: dict[str, Any] | None, fault: str) -> list[dict[str, str]]:
        """The instructions; the prompt, as data; a faulty answer and what it has wrong."""
        messages = [
            {"role": "system", "content": self.instructions},
            {"role": "user", "content": json.dumps(prompt, sort_keys=True, ensure_ascii=False)},
        ]
        if faulty:
            again = f"This answer cannot be used: {fault}. Answer again in the given schema."
            messages += [
                {"role": "assistant", "content": (faulty["content"] or "(nothing)")[:SHOWN]},
                {"role": "user", "content": again},
            ]
        return messages
