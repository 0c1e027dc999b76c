"""A corpus that is too small for what follows: said by the stage that reads it."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from flows.enough import require_enough
from sediff.encoder.params import EncoderParams
from sediff.errors import UserError
from tests.learnable import write_records
from tests.pipeline.clone import command, sediff


def asked(records: int, folder: Path, **changes) -> None:
    """Whether so many records, half of them sick, are enough."""
    if not folder.joinpath("records").exists():
        write_records(folder, np.arange(records) % 2)
    statement = {"min_cases": changes.pop("min_cases", 20)}
    judges = {"statement": statement, "pinned": changes.pop("pinned", "")}
    require_enough(folder / "records", EncoderParams.model_validate({"judges": judges} | changes))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"of 24 records, is too small .*: \d+, at least .*min_cases = 20\)"):
        asked(24, tmp_path)
    asked(24, tmp_path, min_cases=1)
    asked(24, tmp_path, pinned="0" * 64)
    with pytest.raises(UserError, match="min_cases"):
        asked(24, tmp_path, pinned="0" * 64, retrain=True)
    with pytest.raises(UserError, match=r"training records for the conditioner \(encoder\.judges_share\): [01], "):
        asked(24, tmp_path, min_cases=1, judges_share=0.999)
    asked(240, tmp_path / "more")


def test_twelve_records_stop_in_the_corpus_stage(project, tmp_path):
    folder, raw = tmp_path / "clone", tmp_path / "clinic"
    shutil.copytree(project[0], folder, symlinks=True)
    shutil.copytree(folder / ".sediff/sources/virtual", raw)
    table = (raw / "ptbxl_database.csv").read_text().splitlines(keepends=True)
    (raw / "ptbxl_database.csv").write_text("".join(table[:13]))
    sediff(folder, "configure", "--corpus", str(raw), "--name", "clinic")
    sediff(folder, "scan")
    refused = command(folder, sys.executable, "-m", "flows.corpus")
    assert refused.returncode == 1
    assert "The corpus, of 12 records, is too small for the stages that follow" in refused.stderr
    assert "Traceback" not in refused.stderr
