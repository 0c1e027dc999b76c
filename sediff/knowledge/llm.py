"""The LLM distiller: any OpenAI-compatible endpoint, each answer checked, kept for ever and paid for once.

An answer is an input of the stage, not a result: it is written to the answer store before it is used, keyed by
endpoint, model, prompt and settings, so a rerun asks nothing and gives the same bytes. A fault of an answer (schema,
refusal, length, invented citation) is kept as that answer and falls back to the offline distiller. A fault of the
network ends the stage, which goes on where it stopped.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
from openai import ContentFilterFinishReasonError, LengthFinishReasonError, OpenAI
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sediff.endpoint import Endpoint
from sediff.errors import UserError
from sediff.files import read_json, sha256_json, write_json
from sediff.knowledge.distill import Distilled
from sediff.knowledge.params import KnowledgeParams
from sediff.progress import track

INSTRUCTIONS = Path("knowledge/prompts/experience.md")
MAX_CHARACTERS, MIN_CHARACTERS = 1500, 20


class Answer(BaseModel):
    """What an endpoint is asked for; ranges are those that physiology allows."""

    model_config = ConfigDict(extra="forbid")

    rhythm: str
    findings: list[str]
    heart_rate: float | None = Field(ge=20, le=300)
    morphology: str
    confidence: float = Field(ge=0, le=1)
    cited: list[str]
    text: str


class LlmDistiller:
    """Asks an endpoint once for each prompt and keeps what it said in `answers/<key>.json`."""

    def __init__(
        self, endpoint: Endpoint, params: KnowledgeParams, answers: Path, instructions: Path = INSTRUCTIONS
    ) -> None:
        if not instructions.is_file():
            raise UserError(f"{instructions} is missing: restore it from the repository.")
        self.endpoint = endpoint
        self.answers = answers
        self.instructions = instructions.read_text(encoding="utf-8")
        self.settings = {"temperature": params.temperature, "max_tokens": params.max_tokens, "seed": 0}

    def distil(self, prompts: Sequence[dict[str, Any]], offline: Sequence[Distilled]) -> list[Distilled]:
        """A paragraph for each prompt: the endpoint's, or the offline one with the reason.

        Raises:
            UserError: the endpoint cannot be reached or refuses the request; answers so far are kept.
        """
        client = self.endpoint.client()
        pairs = zip(prompts, offline, strict=True)
        return [self._one(client, *pair) for pair in track(pairs, len(prompts), "knowledge: answers")]

    def _one(self, client: OpenAI, prompt: dict[str, Any], offline: Distilled) -> Distilled:
        path = self.answers / f"{self.key(prompt)}.json"
        if not path.exists():
            write_json(path, self._ask(client, prompt))
        kept = read_json(path)
        if kept["fault"]:
            return offline._replace(fallback_reason=kept["fault"])
        told = offline.report.model_copy(update={"text": " ".join(kept["answer"]["text"].split())})
        return Distilled(told, f"llm:{self.endpoint.model}", None)

    def key(self, prompt: dict[str, Any]) -> str:
        """Hash of endpoint, model, settings, instructions and prompt."""
        return sha256_json(self._request(prompt))

    def _request(self, prompt: dict[str, Any]) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint.base_url,
            "model": self.endpoint.model,
            "settings": self.settings,
            "schema": Answer.model_json_schema(),
            "instructions": self.instructions,
            "prompt": prompt,
        }

    def _ask(self, client: OpenAI, prompt: dict[str, Any]) -> dict[str, Any]:
        """One request, with the answer or the answer's fault."""
        try:
            answer, fault = _checked(self._complete(client, prompt), prompt)
        except LengthFinishReasonError:
            answer, fault = None, "length"
        except ContentFilterFinishReasonError:
            answer, fault = None, "refusal"
        except (ValidationError, json.JSONDecodeError):
            answer, fault = None, "schema"
        except openai.APIStatusError as error:
            raise self._stopped(f"answered with status {error.status_code}") from None
        except openai.OpenAIError as error:
            raise self._stopped(f"could not be asked ({type(error).__name__})") from None
        return {**self._request(prompt), "answer": answer.model_dump() if answer else None, "fault": fault}

    def _complete(self, client: OpenAI, prompt: dict[str, Any]) -> Answer | None:
        completion = client.chat.completions.parse(
            model=self.endpoint.model,
            messages=[
                {"role": "system", "content": self.instructions},
                {"role": "user", "content": json.dumps(prompt, sort_keys=True, ensure_ascii=False)},
            ],
            response_format=Answer,
            temperature=self.settings["temperature"],
            max_tokens=int(self.settings["max_tokens"]),
            seed=int(self.settings["seed"]),
        )
        return completion.choices[0].message.parsed if completion.choices else None

    def _stopped(self, what: str) -> UserError:
        return UserError(f"{self.endpoint.base_url} {what}: run again to go on, the answers so far are kept.")


def _checked(answer: Answer | None, prompt: dict[str, Any]) -> tuple[Answer | None, str | None]:
    """The answer, or what is wrong with it."""
    if answer is None:
        return None, "refusal"
    if not set(answer.cited) <= {neighbour["id"] for neighbour in prompt["neighbours"]} or not answer.cited:
        return None, "invented citation"
    if not MIN_CHARACTERS <= len(answer.text) <= MAX_CHARACTERS:
        return None, "length"
    return answer, None
