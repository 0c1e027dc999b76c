"""The networks' gradients are the same numbers each time: without that, no retraining gives the same bytes.

On a CPU some strided convolutions do not (oneDNN, backward data, lengths that the stride does not divide), and torch's
own deterministic mode does not tell.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from sediff.augmentation.network import Classifier
from sediff.augmentation.params import AugmentationParams
from sediff.autocast import autocast
from sediff.autoencoder.model import Autoencoder
from sediff.autoencoder.params import AutoencoderParams
from sediff.diffusion.model import Denoiser, rhythm_channels
from sediff.diffusion.params import DenoiserParams
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, Conditions, encode_conditions
from sediff.encoder.contrast import WaveformJudge, halves
from sediff.encoder.judge import Judge
from sediff.encoder.network import EcgNetwork
from sediff.encoder.params import EncoderParams
from sediff.encoder.text_ecg import TextJudge
from sediff.vocabulary import Vocabulary

BATCH = 16
ENCODER = EncoderParams()
VOCABULARY = Vocabulary.load()
STATEMENTS = len(VOCABULARY.codes)
BUCKETS = 64


def ecg() -> Tensor:
    return torch.randn(BATCH, 8, 1000, generator=torch.Generator().manual_seed(0))


def latents() -> Tensor:
    return torch.randn(BATCH, 10, 125, generator=torch.Generator().manual_seed(1))


def reconstruct(network: Autoencoder) -> Tensor:
    mean, _ = network.encoder(ecg())
    return network.decoder(mean)


def denoise(network: Denoiser) -> Tensor:
    tokens, mask = torch.ones(BATCH, 5, 16), torch.ones(BATCH, 5, dtype=torch.bool)
    courses = torch.linspace(0, 60, 1000).expand(BATCH, 3, -1)
    return network(latents(), torch.zeros(BATCH), rhythm_channels(courses), tokens, mask)


def conditions() -> Conditions:
    """Batches of them have equal texts, whose gradients add up."""
    asked = [Condition("sinus rhythm, left axis deviation", 60, "male", None, axis=-40), Condition("AFIB. Pale")]
    return encode_conditions(asked * (BATCH // 2), VOCABULARY, BUCKETS)


def text_judge() -> TextJudge:
    return TextJudge(VOCABULARY.codes, ENCODER.judges.text.width, 16, BUCKETS)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable]] = {
    "statement judge": (
        lambda: Judge(("NORM", "AFIB"), ENCODER.judges.statement.width),
        lambda network: network(ecg()),
    ),
    "waveform judge": (
        lambda: WaveformJudge(ENCODER.judges.waveform.width),
        lambda network: torch.cat([network(half) for half in halves(ecg())]),
    ),
    "text judge": (text_judge, lambda network: torch.cat(network(conditions(), ecg()))),
    "conditioner": (
        lambda: Conditioner(STATEMENTS, 16, BUCKETS),
        lambda network: network.pooled(conditions()),
    ),
    "conditioner's counterpart": (lambda: EcgNetwork(16), lambda network: network(ecg())),
    "classifier": (lambda: Classifier(5, AugmentationParams().width), lambda network: network(ecg())),
    "autoencoder": (lambda: Autoencoder(AutoencoderParams().width, AutoencoderParams().depth), reconstruct),
    "denoiser": (lambda: Denoiser(DenoiserParams(), 16), denoise),
}


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_same_each_time(name, precision, two_threads):
    torch.manual_seed(0)
    build, forward = CASES[name]
    network = build()

    def gradients() -> list[Tensor]:
        network.zero_grad()
        with autocast(torch.device("cpu"), precision):
            out = forward(network)
        out.float().square().mean().backward()
        return [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]

    first = gradients()
    for _ in range(3):
        assert all(torch.equal(one, other) for one, other in zip(first, gradients(), strict=True))
