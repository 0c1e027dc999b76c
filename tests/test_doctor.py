import shutil
from pathlib import Path

import pytest

from sediff.doctor import findings
from sediff.endpoint import KEY
from sediff.params import PARAMS, set_params

ROOT = Path(__file__).parents[1]
FAR = "https://api.example.org/v1"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KEY, raising=False)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    set_params(PARAMS, ["encoder.conditioner.text=openai", "encoder.conditioner.model=m"])
    set_params(PARAMS, [f"runtime.embedding_base_url={FAR}"])
    return tmp_path


def line_of(subject: str) -> str:
    (line,) = [line for line in findings() if line[4:].startswith(f"{subject}: ")]
    return line


def texts() -> str:
    return line_of("texts")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "ok  DVC remote: .dvc/store, of this clone alone; `dvc remote add"),
        ("", "--  DVC remote: none; `dvc remote add"),
        ("[core]\nremote = team\n['remote \"team\"']\nurl = s3://ecg/100%25\n", "ok  DVC remote: s3://ecg/100%25"),
        ("[core]\nremote = team\n['remote \"team\"']\nurl = ../../store\n", "ok  DVC remote: ../store"),
    ],
)
def test_dvcs_remote_is_the_repositorys_folder_until_another_is_named(config, said, project):
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text((ROOT / ".dvc/config").read_text() if config is None else config)
    found = line_of("DVC remote")
    assert found == said or found.startswith(f"{said} ")


def test_texts_of_restricted_sources_are_not_said_to_be_sent_where_they_may_not(project, monkeypatch):
    monkeypatch.setenv(KEY, "k")
    assert texts().startswith(f"ok  texts: sent to {FAR}")
    set_params(PARAMS, ["corpus.sources=[{name: clinic, reader: wfdb, sharing: restricted}]"])
    assert texts().startswith("--")
    assert "Source clinic is restricted" in texts()
    set_params(PARAMS, ["runtime.llm_allowed_hosts=[api.example.org]"])
    assert texts().startswith(f"ok  texts: sent to {FAR}")


def test_a_missing_key_is_told_where_one_is_needed(project):
    assert texts().startswith("--")
    assert f"{KEY} is not set" in texts()
    set_params(PARAMS, ["runtime.embedding_base_url=http://127.0.0.1:8000/v1"])
    assert texts().startswith("ok")
