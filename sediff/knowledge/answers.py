"""The answers that endpoints gave, kept for ever: one file an answer, named by the hash of what was asked.

Answers are inputs of the stage, paid for, not its results. A file is written in one piece before its answer is used, is
never changed, and holds request, answer and a hash of both, so that wherever it lies it can be told from a damaged
one. The folder is flat: under names like `ab/cdef` the collector of a DVC remote would take answers for its own.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sediff.errors import UserError
from sediff.files import replacing, sha256_json
from sediff.knowledge.budget import Usage
from sediff.records import write_table

FILE = "answers.parquet"
SUFFIX = ".json"
FIELDS = {"content", "refusal", "finish_reason", "usage"}  # of an answer
NAME = re.compile(r"[0-9a-f]{64}\.json")
SCHEMA_VERSION = 1
SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("answer", pa.string(), nullable=False)])


def answer_key(request: dict[str, Any]) -> str:
    """The name of a request: its SHA-256, as hex."""
    return sha256_json(request)


def read_answer(key: str, text: str) -> dict[str, Any]:
    """The answer in the text of a file.

    Raises:
        ValueError: the text is damaged, or answers another request.
    """
    try:
        kept = json.loads(text)
        if not isinstance(kept, dict) or set(kept) != {"request", "answer", "sha256"}:
            raise ValueError("no answer")
        if answer_key(kept["request"]) != key or sha256_json([kept["request"], kept["answer"]]) != kept["sha256"]:
            raise ValueError("damaged")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _checked(kept["answer"])


def _checked(answer: Any) -> dict[str, Any]:
    """An answer with the fields that `ask` gives it, of their types."""
    if not isinstance(answer, dict) or set(answer) != FIELDS:
        raise ValueError("no answer")
    texts = (answer[name] for name in FIELDS - {"usage"})
    if not all(text is None or isinstance(text, str) for text in texts):
        raise ValueError("no text")
    usage = answer["usage"]
    known = isinstance(usage, dict) and set(usage) == set(Usage._fields)
    if usage is not None and not (known and all(isinstance(count, int) and count >= 0 for count in usage.values())):
        raise ValueError("no usage")
    return answer


class AnswerStore:
    """A folder of answers, `<key>.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where an answer is, or would be."""
        return self.folder / f"{key}{SUFFIX}"

    def list_keys(self) -> list[str]:
        """Of all that is here, sorted."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(path.stem for path in found if NAME.fullmatch(path.name))

    def get(self, key: str) -> dict[str, Any] | None:
        """An answer; None where nobody asked yet.

        Raises:
            UserError: its file is damaged. Asking again would cost money and give other words, while an intact copy
                may lie elsewhere, so that is for the user to say.
        """
        try:
            return read_answer(key, self.path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(key, error) from None
        except ValueError:
            raise UserError(
                f"{self.path(key)} is damaged: `sediff knowledge answers pull` mends it where the remote has it; or "
                "remove it, and the endpoint is asked again."
            ) from None

    def put(self, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """Keep an answer before anybody uses it."""
        kept = {"request": request, "answer": answer, "sha256": sha256_json([request, answer])}
        text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        self.add(answer_key(request), text)

    def add(self, key: str, text: str) -> bool:
        """Keep the text of an answer from elsewhere unless it is here, intact; whether it was taken.

        Raises:
            ValueError: the text is damaged, or answers another request.
        """
        read_answer(key, text)
        if self.intact(key):
            return False
        try:
            with replacing(self.path(key)) as temporary, temporary.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())  # it is paid for: it survives a power cut too
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise self._unreadable(key, error) from None
        return True

    def _unreadable(self, key: str, error: OSError) -> UserError:
        return UserError(
            f"{self.path(key)} cannot be had ({error.strerror}): {self.folder} is to be a folder of files that this "
            "user may read and write; what stands in the way is to be moved."
        )

    def intact(self, key: str) -> bool:
        """Whether an answer is here and not damaged."""
        try:
            return self.get(key) is not None
        except UserError:
            return False

    def export(self, keys: Iterable[str], path: Path) -> None:
        """Write these answers as a table, sorted by key."""
        ordered = sorted(set(keys))
        texts = [self.path(key).read_text(encoding="utf-8") for key in ordered]
        write_table(pa.table({"key": ordered, "answer": texts}, schema=SCHEMA), path, SCHEMA_VERSION)

    def seed(self, table: pa.Table) -> int:
        """Take what an export holds and this folder lacks; how many."""
        rows = zip(table["key"].to_pylist(), table["answer"].to_pylist(), strict=True)
        return sum(self.add(key, text) for key, text in rows)


def read_export(source: Path | pa.NativeFile) -> pa.Table:
    """What `AnswerStore.export` wrote."""
    return pq.read_table(source, schema=SCHEMA)
