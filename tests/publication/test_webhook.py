"""What a webhook hears, from a real server that takes it, refuses it, is slow, or is not there."""

import base64
import hashlib
import re
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.files import write_json
from sediff.params import set_params
from sediff.publication import webhook
from sediff.publication.params import WEBHOOK, PublicationParams
from sediff.publication.webhook import LARGEST, message, tell
from tests.servers import Receiver, running

HTML = "<p>All gates passed: ≥ 5 µV</p>"
TOLD = "clinic/00042 has no age: give it one."


@pytest.fixture
def folder(tmp_path) -> Path:
    """A worktree whose last run made a report."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/index.html").write_text(HTML, encoding="utf-8")
    write_json(tmp_path / "reports/report/metrics.json", {"passed": 0, "gates": 3, "failed": ["evaluation.fd"]})
    return tmp_path


def entry(outcome: str, told: str = TOLD) -> dict[str, str]:
    return {"ended": "2026-01-01T02:00:00+00:00", "outcome": outcome, "told": told, "version": ""}


def test_the_verdict_and_the_page_arrive(folder):
    body = message("ecg", entry("gates failed", "The gates failed: evaluation.fd."), folder, restricted=False)
    with running(Receiver()) as receiver:
        assert tell(receiver.address, body) == ""
    assert receiver.bodies == [body]
    assert body["text"] == "ecg: gates failed: The gates failed: evaluation.fd."
    assert (body["passed"], body["verdict"]["failed"]) == (False, ["evaluation.fd"])
    page = HTML.encode()
    digest = hashlib.sha256(page).hexdigest()
    assert body["report"] == {"path": "reports/index.html", "bytes": len(page), "sha256": digest, "html": HTML}


@pytest.mark.parametrize("outcome", ["failed", "drifted", "nothing new"])
def test_a_night_that_evaluated_nothing_sends_no_page_of_another(outcome, folder):
    body = message("ecg", entry(outcome), folder, restricted=False)
    assert (body["verdict"], body["report"]) == (None, None)
    assert body["passed"] == (outcome == "nothing new")


@pytest.mark.parametrize("outcome", ["failed", "drifted", "not approved", "gates failed"])
def test_no_sentence_of_a_restricted_corpus_leaves(outcome, folder):
    body = message("ecg", entry(outcome), folder, restricted=True)
    assert "clinic" not in str(body)
    assert body["text"] == f"ecg: {outcome}: see .sediff/refreshes.jsonl"
    assert bool(body["report"]) == (outcome in ("not approved", "gates failed")), "it is the public page"


def test_of_a_large_page_its_hash_is_sent(folder):
    (folder / "reports/index.html").write_bytes(b"x" * (LARGEST + 1))
    report = message("ecg", entry("published"), folder, restricted=False)["report"]
    assert report["sha256"] == hashlib.sha256(b"x" * (LARGEST + 1)).hexdigest()
    assert "html" not in report


def test_a_receiver_that_refuses_the_page_gets_the_verdict_alone(folder):
    body = message("ecg", entry("published"), folder, restricted=False)
    with running(Receiver(largest=len(HTML) * 20, status=413)) as receiver:
        assert tell(receiver.address, body | {"report": body["report"] | {"html": HTML * 100}}) == ""
    assert [set(one["report"]) for one in receiver.bodies] == [{"path", "bytes", "sha256"}]


def test_one_that_refuses_all_or_is_not_there_is_named_without_its_address(folder):
    body = message("ecg", entry("published"), folder, restricted=False)
    with running(Receiver(largest=0, status=403)) as receiver:
        assert tell(f"{receiver.address}/secret", body) == "it answered with status 403"
    assert tell(f"{receiver.address}/secret", body) == "Connection refused"
    assert "secret" not in tell("secret", body)


class Slow(BaseHTTPRequestHandler):
    """Sends an answer of four seconds, each byte of it within any limit on a single one."""

    def do_POST(self) -> None:
        for _ in range(40):
            self.wfile.write(b"H")
            time.sleep(0.1)

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_slow_one_is_waited_for_only_so_long(folder, monkeypatch):
    monkeypatch.setattr(webhook, "LIMIT", 1.0)
    body = message("ecg", entry("failed"), folder, restricted=False)
    with running(HTTPServer(("127.0.0.1", 0), Slow)) as server:
        started = time.monotonic()
        refusal = tell(f"http://127.0.0.1:{server.server_address[1]}", body)
        assert (refusal, time.monotonic() - started < 3) == ("it took longer than 1 s", True)


@pytest.mark.parametrize(
    "url", ["https://me:pw@example.org/hook", "https://example.org/hook?key=1", "https://example.org/#pw", "me:pw@host"]
)
def test_a_secret_in_a_published_address_is_refused_and_not_repeated(url, tmp_path):
    with pytest.raises(UserError, match=r"publication\.webhook: .* set SEDIFF_WEBHOOK in the environment") as error:
        set_webhook(tmp_path, url)
    assert not {"pw", "key=1"} & set(re.split(r"[^\w=]+", str(error.value)))


@pytest.mark.parametrize("url", ["chat.example.org/hook", "ftp://example.org", "https://", "https://a b"])
def test_a_malformed_address_is_a_mistake_in_a_parameter(url, tmp_path):
    with pytest.raises(UserError, match=r"publication\.webhook: .* is no address: write one like https://"):
        set_webhook(tmp_path, url)


def set_webhook(folder: Path, url: str) -> None:
    path = folder / "params.yaml"
    path.write_text("corpus:\n  sources: [{name: virtual, reader: ptb-xl}]\npublication:\n  webhook: ''\n")
    set_params(path, ['publication.webhook="https://chat.example.org/hook"'])
    set_params(path, [f'publication.webhook="{url}"'])


def test_the_environments_address_comes_first_and_may_have_a_password_and_a_query(folder, monkeypatch):
    params = PublicationParams(webhook="http://127.0.0.1:9/nobody")
    with running(Receiver()) as receiver:
        host = receiver.address.removeprefix("http://")
        monkeypatch.setenv(WEBHOOK, f"http://me:p%40w@{host}/hook?key=1")
        assert tell(params.webhook_address, message("ecg", entry("published"), folder, restricted=False)) == ""
    basic = base64.b64encode(b"me:p@w").decode()
    assert receiver.asked == [("/hook?key=1", f"Basic {basic}")]
