import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sediff.errors import UserError
from sediff.seeds import generator
from sediff.training import Job, Schedule, Start, train
from sediff.training.batches import Prefetched, batches
from sediff.training.optimiser import BatchedMuon, Optimiser

CPU = torch.device("cpu")
DATA = torch.randn(37, 4, generator=torch.Generator().manual_seed(1))
PROGRAM = Path(__file__).parent / "training_program.py"
STEPS = 300  # of a training that is killed


def gather(rows):
    return DATA[rows]


def rebuild(network, x, rng):
    error = (network(x + 0.1 * torch.randn(x.shape, generator=rng)) - x).square().mean()
    return error, {"error": error}


def fit(
    work, steps=40, stop=None, average=0.9, every=7, fingerprint="f", loss=rebuild, rate=1e-2, ends=None, compiled=False
):
    """Train a tiny network with dropout to rebuild noisy data; `stop` raises at that call of the loss."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 4))
    calls = 0

    def counted(network, x, rng):
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return loss(network, x, rng)

    schedule = Schedule(steps, 5, rate, warmup=3, average=average, compiled=compiled)
    job = Job(work, work, work, 3, CPU, fingerprint, every, ends)
    trained = train(network, gather, counted, len(DATA), schedule, job, "tiny")
    return trained.network.state_dict(), trained.curves


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("stop", [2, 9, 17, 36])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, stop):
    undisturbed, curves = fit(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", stop=stop)
    resumed, resumed_curves = fit(tmp_path / "b")
    assert same(undisturbed, resumed)
    assert curves == resumed_curves
    assert curves["loss"]["y"][-1] < 0.8 * curves["loss"]["y"][0]


@pytest.mark.slow  # it compiles three times
def test_a_compiled_training_goes_on_to_the_same_weights_and_learns_what_the_other_does(tmp_path):
    undisturbed, curves = fit(tmp_path / "a", compiled=True)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", stop=17, compiled=True)
    assert same(undisturbed, fit(tmp_path / "b", compiled=True)[0])
    plain, plain_curves = fit(tmp_path / "c")
    assert set(plain) == set(undisturbed)
    assert curves["loss"]["y"][0] == pytest.approx(plain_curves["loss"]["y"][0], rel=0.3)
    with pytest.raises(UserError, match="another configuration"):
        fit(tmp_path / "c", compiled=True)


def test_without_a_compiler_a_compiled_training_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"no-such-compiler.*install g\+\+"):
        fit(tmp_path, compiled=True)


def program(*arguments, launcher=()):
    """Start the training program in processes of its own."""
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *launcher, PROGRAM, *map(str, arguments)], env=environment, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """Weights of a training that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed") / "a"
    finish(program(folder, STEPS))
    return (folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("fraction", [0.15, 0.5, 0.85])
def test_a_killed_training_ends_with_the_same_bytes(undisturbed, tmp_path, fraction):
    process = program(tmp_path / "b", STEPS)
    progress = tmp_path / "b/progress"
    while not progress.exists() or int(progress.read_text() or 0) < fraction * STEPS:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "b/weights.safetensors").exists()
    finish(program(tmp_path / "b", STEPS))
    assert (tmp_path / "b/weights.safetensors").read_bytes() == undisturbed


def test_two_processes_train_together_as_one_would(tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    finish(program(tmp_path / "one", 60, "quiet", "thin"))
    finish(program(tmp_path / "two", 60, "quiet", "thin", launcher=launcher))
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    curves = [json.loads((tmp_path / name / "curves.json").read_text())["loss"] for name in ("one", "two")]
    assert curves[1]["x"] == curves[0]["x"]
    assert curves[1]["y"] == pytest.approx(curves[0]["y"], rel=1e-3), "the loss of the whole batch, not of one part"


def test_two_processes_give_the_same_bytes_again(tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    for name in ("two", "again"):
        finish(program(tmp_path / name, 60, "quiet", launcher=launcher))
    assert (tmp_path / "two/weights.safetensors").read_bytes() == (tmp_path / "again/weights.safetensors").read_bytes()


def test_matrices_are_muons_and_all_else_is_adamws():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv1d(16, 32, 3), nn.Conv1d(32, 32, 3, groups=32), nn.Embedding(64, 32), nn.Linear(32, 8), nn.Linear(32, 64)
    )
    optimiser = Optimiser(network, 0.1, 0.0)
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    optimiser.step(0.1)
    moved = {name: (weight - before[name]).flatten(1) for name, weight in network.named_parameters() if weight.ndim > 1}
    sizes = {name: step.square().mean().sqrt().item() for name, step in moved.items()}
    # AdamW's first step is that of the learning rate everywhere, and a fifth of it once gradients have a scale.
    assert sizes == pytest.approx(
        {"0.weight": 0.02, "1.weight": 0.1, "2.weight": 0.1, "3.weight": 0.1, "4.weight": 0.02}, rel=0.2
    )
    spread = torch.linalg.svdvals(moved["4.weight"])
    assert spread.max() < 2 * spread.min()


def test_stacked_matrices_move_as_torchs_muon_moves_them_one_by_one():
    torch.manual_seed(0)
    shapes = [(32, 16), (16, 32), (32, 16), (24, 24), (24, 24)]
    weights, same = ([nn.Parameter(part.clone()) for part in map(torch.ones, shapes)] for _ in range(2))
    settings = {"lr": 0.1, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    own, theirs = BatchedMuon(weights, **settings), torch.optim.Muon(same, **settings)
    for _ in range(3):
        for weight, other in zip(weights, same, strict=True):
            weight.grad = torch.randn_like(weight)
            other.grad = weight.grad.clone()
        own.step()
        theirs.step()
    for weight, other in zip(weights, same, strict=True):
        assert (weight - other).abs().max() < 0.02 * (1 - other).abs().max()
    assert str(own.state_dict()["state"]) == str(theirs.state_dict()["state"])


def test_every_record_comes_once_an_epoch():
    seen = torch.cat([rows for _, rows in batches(37, 5, 0, 0, 74)])
    assert torch.equal(seen.bincount(), torch.full((37,), 10))
    assert not torch.equal(seen[:37], seen[37:74])


def test_batches_from_the_middle_are_those_of_the_whole():
    whole = dict(batches(37, 5, 0, 0, 20))
    assert all(torch.equal(whole[step], rows) for step, rows in batches(37, 5, 0, 11, 20))


def test_the_next_batch_is_gathered_while_a_step_computes():
    def slow(rows):
        time.sleep(0.02)
        return DATA[rows]

    prefetched = Prefetched(batches(37, 5, 0, 0, 10), slow, CPU)
    for _, x in prefetched:
        assert x.shape == (5, 4)
        time.sleep(0.06)
    assert prefetched.waited < 0.1  # of ten times 0.02 s that gathering takes, none if nothing else runs


def test_an_error_of_the_thread_that_gathers_is_raised():
    def broken(rows):
        raise RuntimeError("no such record")

    with pytest.raises(RuntimeError, match="no such record"):
        list(Prefetched(batches(37, 5, 0, 0, 3), broken, CPU))


@pytest.mark.parametrize("content", [b"not a checkpoint", b"", None])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    fit(tmp_path, steps=7)
    path = tmp_path / "tiny.pt"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(UserError, match=r"tiny\.pt is damaged .* remove it"):
        fit(tmp_path, steps=7)


def test_a_flipped_bit_of_a_checkpoint_is_seen(tmp_path):
    fit(tmp_path, steps=7)
    path = tmp_path / "tiny.pt"
    content = bytearray(path.read_bytes())
    weights = torch.load(path, weights_only=True)["network"]["0.weight"].numpy().tobytes()
    content[bytes(content).index(weights) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        fit(tmp_path, steps=7)


def test_another_configurations_checkpoint_is_refused(tmp_path):
    fit(tmp_path, steps=7)
    with pytest.raises(UserError, match=r"of another configuration \(other fingerprint\): remove it"):
        fit(tmp_path, steps=7, fingerprint="g")
    with pytest.raises(UserError, match=r"other learning_rate"):
        fit(tmp_path, steps=7, rate=2e-2)


def test_another_networks_checkpoint_is_refused(tmp_path):
    schedule, job = Schedule(4, 5, 1e-2), Job(tmp_path, tmp_path, tmp_path, 0, CPU)

    def error(network, x, rng):
        return network(x).square().mean(), {}

    train(nn.Linear(4, 4), gather, error, 37, schedule, job, "x")
    with pytest.raises(UserError, match="of another network: remove it"):
        train(nn.Linear(4, 5), gather, error, 37, schedule, job, "x")


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(tmp_path):
    def late(network, x, rng):
        late.calls += 1
        error, terms = rebuild(network, x, rng)
        return (error * float("nan") if late.calls > 16 else error), terms

    late.calls = 0
    with pytest.raises(UserError, match=r"no longer a number at step 17.*last good checkpoint, of step 14, is .*tiny"):
        fit(tmp_path, loss=late)
    content = torch.load(tmp_path / "tiny.pt", weights_only=True)
    assert content["step"] == 14
    assert all(weights.isfinite().all() for weights in content["network"].values())


def test_a_loss_that_explodes_stops(tmp_path):
    with pytest.raises(UserError, match=r"times what it was at the start at step \d+: lower its learning_rate"):
        fit(tmp_path, steps=100, rate=3e3)


def test_the_time_limit_leaves_a_training_to_go_on_with(tmp_path):
    undisturbed, _ = fit(tmp_path / "a")
    with pytest.raises(UserError, match=r"The time is up for tiny after step 1 of 40: run again"):
        fit(tmp_path / "b", ends=time.monotonic() - 1)
    assert torch.load(tmp_path / "b/tiny.pt", weights_only=True)["step"] == 1
    assert same(undisturbed, fit(tmp_path / "b")[0])


def test_progress_tells_loss_rate_and_time_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sediff.progress.SECONDS_BETWEEN_LINES", 0.0)
    fit(tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert any(re.fullmatch(r"tiny: steps: 3\d of 40 \([\d.e+]+/s, \d+ s left, loss [\d.]+\)", line) for line in lines)


def test_a_batch_that_does_not_fit_says_what_would(tmp_path):
    process = program(tmp_path, "memory")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    said = json.loads((tmp_path / "said").read_text())
    assert said.startswith("wide: a batch of 512 records does not fit into memory: set its batch_size to ")
    assert 0 < int(said.rstrip(".").rsplit(" ", 1)[1]) < 512


def test_neighbouring_seeds_share_no_noise():
    first, second = (torch.randn(100, generator=generator("noise", 0, index)) for index in (0, 1))
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.4


def test_a_continued_training_starts_with_the_weights_and_their_average_and_takes_fewer_steps(tmp_path):
    torch.manual_seed(0)
    earlier, network = nn.Linear(4, 4), nn.Linear(4, 4)
    save_file(earlier.state_dict(), tmp_path / "tiny.safetensors")
    job = Job(tmp_path, tmp_path, tmp_path, 3, CPU, start=Start(tmp_path, 0.3))
    assert job.begin(network, "tiny")
    assert same(earlier.state_dict(), network.state_dict())
    assert (job.steps(40), job.steps(1)) == (12, 1)
    schedule = Schedule(job.steps(40), 5, 1e-9, warmup=0, average=0.9)  # so slow that it stays where it starts
    trained = train(network, gather, rebuild, len(DATA), schedule, job, "tiny")
    assert trained.curves["loss"]["x"][-1] == 12
    for name, weights in trained.network.state_dict().items():
        assert torch.allclose(weights, earlier.state_dict()[name], atol=1e-6)


def test_a_training_from_nothing_takes_all_steps(tmp_path):
    torch.manual_seed(0)
    network = nn.Linear(4, 4)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    job = Job(tmp_path, tmp_path, tmp_path, 3, CPU)
    assert not job.begin(network, "tiny")
    assert same(before, network.state_dict())
    assert job.steps(40) == 40


def test_start_weights_that_cannot_be_used_are_one_sentence(tmp_path):
    job = Job(tmp_path, tmp_path, tmp_path, 3, CPU, start=Start(tmp_path, 0.3))
    with pytest.raises(UserError, match=r"tiny\.safetensors is missing or damaged"):
        job.begin(nn.Linear(4, 4), "tiny")
    save_file(nn.Linear(4, 5).state_dict(), tmp_path / "tiny.safetensors")
    with pytest.raises(UserError, match=r"training of tiny continues, has the weights of another network"):
        job.begin(nn.Linear(4, 4), "tiny")
    content = (tmp_path / "tiny.safetensors").read_bytes()
    (tmp_path / "tiny.safetensors").write_bytes(content[:40])
    with pytest.raises(UserError, match=r"tiny\.safetensors is missing or damaged"):
        job.begin(nn.Linear(4, 4), "tiny")
