import shlex

from starlette.testclient import TestClient
from typer.testing import CliRunner

from sediff.cli import app as program
from sediff.studio.app import app
from sediff.studio.guard import HEADERS
from sediff.studio.studio import _command
from sediff.synthesis.schema import PromptRequest


class Broken:
    """A studio with a fault of its own."""

    def make(self, prompt: PromptRequest, seed: int) -> None:
        raise RuntimeError("a fault")


def test_what_fails_is_guarded_too():
    client = TestClient(app(Broken(), ["127.0.0.1:1"]), "http://127.0.0.1:1", raise_server_exceptions=False)
    answer = client.post("/ecgs", json={"text": "AF", "seed": 0})
    assert answer.status_code == 500
    assert answer.json() == {"error": "Something failed that should not: the terminal of sediff studio says what."}
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_text_that_looks_like_an_option_is_a_text_on_the_command_line_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = shlex.split(_command(PromptRequest(text="--help", age=4), 3))
    assert command[:2] == ["sediff", "generate"]
    said = CliRunner().invoke(program, command[1:])
    assert "Usage" not in said.output, "it went on to look for models"
    assert _command(PromptRequest(text="AF"), 3) == "sediff generate AF --seed 3"
