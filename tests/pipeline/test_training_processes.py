"""A stage whose training several processes share, as several GPUs would."""

import json
import re
import shutil
import sys

from safetensors.torch import load_file

from sediff.params import set_params
from tests.pipeline.clone import MAIN, command


def sediff_failing(folder, *arguments) -> str:
    """What a command says that ends in an error."""
    result = command(folder, sys.executable, "-c", MAIN, *arguments)
    assert result.returncode == 1
    return result.stderr


def share(folder):
    set_params(folder / "params.yaml", ["reproducibility.training_processes=2"])


def test_two_processes_give_one_result_and_the_same_bytes_each_time(project, tmp_path):
    folder, weights = tmp_path / "clone", []
    shutil.copytree(project[0], folder, symlinks=True)
    records = len(list((folder / "runs/autoencoder").glob("*/*.json")))
    alone = load_file(folder / "data/autoencoder/autoencoder.safetensors")
    share(folder)
    for _ in range(2):
        shutil.rmtree(folder / ".sediff/work", ignore_errors=True)
        result = command(folder, sys.executable, "-m", "flows.autoencoder")
        assert result.returncode == 0, result.stderr
        weights.append((folder / "data/autoencoder/autoencoder.safetensors").read_bytes())
    assert weights[0] == weights[1]
    together = load_file(folder / "data/autoencoder/autoencoder.safetensors")
    difference = [float((together[name] - alone[name]).abs().mean()) for name in ("decoder.layers.0.weight", "scale")]
    assert 0 < max(difference) < 0.2  # other noise for each process, the same training
    assert len(list((folder / "runs/autoencoder").glob("*/*.json"))) == records + 2, "one record a run"
    assert json.loads((folder / "reports/autoencoder/metrics.json").read_text())["test_records"] > 0


def test_a_batch_that_cannot_be_shared_is_a_sentence(project, tmp_path):
    folder = tmp_path / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    shutil.rmtree(folder / ".sediff/work", ignore_errors=True)
    share(folder)
    set_params(folder / "params.yaml", ["autoencoder.batch_size=15"])
    result = command(folder, sys.executable, "-m", "flows.autoencoder")
    assert result.returncode == 1
    (line,) = (line for line in result.stderr.splitlines() if "cannot be shared equally" in line)
    assert line.startswith("sediff: error: autoencoder: a batch of 15 records cannot be shared equally by 2 processes")
    assert "Traceback" not in result.stderr and "ChildFailedError" not in result.stderr
    assert "Traceback" not in sediff_failing(folder, "run", "autoencoder")


def test_a_process_that_is_killed_is_one_line(project, tmp_path):
    """Nobody's mistake, so there is no sentence of the stage's."""
    folder = tmp_path / "clone"
    shutil.copytree(project[0], folder, symlinks=True)
    share(folder)
    flow = folder / "flows/autoencoder.py"
    killed = 'if __name__ == "__main__":\n    import os, signal\n    "RANK" in os.environ and os.kill(os.getpid(), 9)\n'
    flow.write_text(flow.read_text().replace('if __name__ == "__main__":\n', killed))
    result = command(folder, sys.executable, "-m", "flows.autoencoder")
    assert result.returncode == 1
    assert re.fullmatch(r"training process [12] of 2 ended with exit status -9", result.stderr.strip())
