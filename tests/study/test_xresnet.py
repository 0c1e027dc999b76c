import pytest
import torch
from torch import nn

from sediff.study.classify import predict
from sediff.study.deep import fit_network
from sediff.study.plan import Plan
from sediff.study.xresnet import Bottleneck, Halved, XResNet1d
from sediff.training import Job

DEEP = Plan.load().networks["xresnet1d101"]


def test_it_has_the_published_depth_and_lengths():
    network = XResNet1d(5, DEEP.depth, DEEP.width, DEEP.kernel).eval()
    assert sum(isinstance(module, Bottleneck) for module in network.modules()) == 33
    stem = list(network.layers)[:6]
    assert [(layer[0].out_channels, layer[0].kernel_size) for layer in stem[::2]] == [
        (32, (5,)),
        (32, (5,)),
        (64, (5,)),
    ]
    x = torch.randn(2, 8, 1000)
    assert network.layers(x).shape == (2, 256, 32), "halved by the stem, by its pooling, and by three of four levels"
    assert network(x).shape == (2, 5)


def test_a_block_starts_as_its_shortcut():
    x = torch.randn(3, 64, 25).relu()
    assert torch.equal(Bottleneck(64, 16, 5)(x), x)
    assert Bottleneck(64, 16, 5, stride=2)(x).shape == (3, 64, 13)
    assert Bottleneck(24, 16, 5)(x[:, :24]).shape == (3, 64, 25)


@pytest.mark.parametrize("samples", [500, 501])
def test_halving_is_the_maximum_over_three(samples):
    x = torch.randn(2, 4, samples).relu()
    assert torch.equal(Halved()(x), nn.MaxPool1d(3, 2, 1)(x))


def test_at_that_depth_it_learns_what_can_be_told_apart(tmp_path):
    """Slow waves against fast ones, in noise; those that are tested were not seen."""
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(96) % 2
    phase = 6 * torch.rand(96, 1, 1, generator=rng) + torch.arange(200) * (0.1 + 0.2 * y[:, None, None])
    x = (500 * torch.sin(phase) + 200 * torch.randn(96, 8, 200, generator=rng)).to(torch.int16)
    params = DEEP.model_copy(update={"width": 16, "steps": 60, "batch_size": 16})
    job = Job(tmp_path, tmp_path, tmp_path, 0, torch.device("cpu"))
    trained = fit_network(params, x, y[:, None].float(), torch.arange(64), False, job, "toy")
    told = predict(trained.network, x[64:], torch.device("cpu"))[:, 0]
    assert told[y[64:] == 1].min() > told[y[64:] == 0].max()
