import pytest
import torch
from torch import nn

from sediff.errors import UserError
from sediff.training import Job, Schedule, batches, generator, train

CPU = torch.device("cpu")
DATA = torch.randn(37, 4, generator=torch.Generator().manual_seed(1))


def fit(work, steps=40, stop=None, average=0.9, every=7):
    """Train a tiny network to rebuild noisy data; `stop` raises before that step."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
    calls = 0

    def loss(rows, rng):
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        x = DATA[rows]
        error = (network(x + 0.1 * torch.randn(x.shape, generator=rng)) - x).square().mean()
        return error, {"error": error}

    schedule = Schedule(steps, 5, 1e-2, warmup=3, average=average, checkpoint_every=every)
    result, curves = train(network, loss, len(DATA), schedule, Job(work, work, work, 3, CPU), "tiny")
    return result.state_dict(), curves


@pytest.mark.parametrize("stop", [2, 9, 17, 36])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, stop):
    undisturbed, curves = fit(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", stop=stop)
    resumed, resumed_curves = fit(tmp_path / "b")
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    assert curves == resumed_curves
    assert curves["loss"]["y"][-1] < 0.8 * curves["loss"]["y"][0]


def test_every_record_comes_once_an_epoch():
    seen = torch.cat([rows for _, rows in batches(37, 5, 0, 0, 74)])
    assert torch.equal(seen.bincount(), torch.full((37,), 10))
    assert not torch.equal(seen[:37], seen[37:74])


def test_batches_from_the_middle_are_those_of_the_whole():
    whole = dict(batches(37, 5, 0, 0, 20))
    assert all(torch.equal(whole[step], rows) for step, rows in batches(37, 5, 0, 11, 20))


def test_a_foreign_checkpoint_is_refused(tmp_path):
    tmp_path.joinpath("tiny.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"tiny\.pt is no checkpoint"):
        fit(tmp_path)


def test_divergence_is_a_sentence(tmp_path):
    network = nn.Linear(1, 1)

    def loss(rows, rng):
        return network(torch.full((1, 1), float("nan"))).sum(), {}

    with pytest.raises(UserError, match="no longer a number"):
        train(network, loss, 4, Schedule(4, 2, 1.0), Job(tmp_path, tmp_path, tmp_path, 0, CPU), "x")


def test_neighbouring_seeds_share_no_noise():
    first, second = (torch.randn(100, generator=generator("noise", 0, index)) for index in (0, 1))
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.4
