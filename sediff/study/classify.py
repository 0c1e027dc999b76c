"""The classifier of a cell: the augmentation stage's network, as deep as the plan says, and its training."""

import torch
from torch import Tensor, nn

from sediff.augmentation.network import Classifier
from sediff.ecg import MICROVOLTS_PER_MILLIVOLT, SAMPLING_RATE
from sediff.layers import ResidualBlock
from sediff.seeds import seed_of
from sediff.study.plan import ClassifierParams
from sediff.training import Job, Schedule, Terms, Trained, train

LEVELS, KERNEL = (1, 2, 4), 9  # of the stage's network: width of each level over the first, of each block
GAIN, NOISE, WANDER = 0.2, 0.01, 0.1  # deviations of plain augmentation: share, mV, mV
SHIFT = SAMPLING_RATE  # samples, at most
BATCH = 256


def deep_classifier(classes: int, width: int, depth: int) -> Classifier:
    """The stage's network with `depth` residual blocks where that has one; with 1 it is that."""
    network = Classifier(classes, width)
    widths, layers = iter(LEVELS), []
    for layer in network.layers:
        layers.append(layer)
        if isinstance(layer, ResidualBlock):
            level = width * next(widths)
            layers += [ResidualBlock(level, KERNEL) for _ in range(depth - 1)]
    network.layers = nn.Sequential(*layers)
    return network


def augment(x: Tensor, rng: torch.Generator) -> Tensor:
    """Signals (batch, 8, samples) in mV at another gain, up to 1 s earlier or later, wandering slowly, with noise.

    The wander is one sine of 0.1 to 0.5 Hz, of another size in each lead. Noise is drawn on the CPU.
    """
    count, leads, samples = x.shape
    shift = torch.randint(-SHIFT, SHIFT + 1, (count, 1), generator=rng)
    places = ((torch.arange(samples) - shift) % samples).to(x.device)
    moved = x.gather(2, places[:, None, :].expand(-1, leads, -1))
    gain = (1 + GAIN * torch.randn(count, 1, 1, generator=rng)).clamp(min=0.2)
    hertz = 0.1 + 0.4 * torch.rand(count, 1, 1, generator=rng)
    phase = torch.rand(count, 1, 1, generator=rng) + hertz * torch.arange(samples) / SAMPLING_RATE
    wander = WANDER * torch.randn(count, leads, 1, generator=rng) * torch.sin(2 * torch.pi * phase)
    noise = NOISE * torch.randn(count, leads, samples, generator=rng)
    return gain.to(x.device) * moved + (wander + noise).to(x.device)


def fit(params: ClassifierParams, x: Tensor, y: Tensor, rows: Tensor, augmented: bool, job: Job, label: str) -> Trained:
    """Train on rows of signals.

    Args:
        x: (n, 8, 1000), int16 µV; y: (n, classes), 0 or 1.
        rows: of x that are shown, a row as often as it stands there.
        augmented: whether signals are augmented.
        label: of the training, of which its start, order and noise are a function with the job's seed.
    """
    torch.manual_seed(seed_of(job.seed, "classifier", label))
    network = deep_classifier(y.shape[1], params.width, params.depth)

    def batch(index: Tensor) -> tuple[Tensor, Tensor]:
        return x[rows[index]], y[rows[index]]

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        signals = batch[0].float() / MICROVOLTS_PER_MILLIVOLT
        logits = network(augment(signals, rng) if augmented else signals)
        return nn.functional.binary_cross_entropy_with_logits(logits, batch[1]), {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    return train(network, batch, loss, len(rows), schedule, job, label)


@torch.no_grad()
def predict(network: nn.Module, x: Tensor, device: torch.device) -> Tensor:
    """Probabilities (n, classes) of signals (n, 8, 1000), int16 µV."""
    parts = [network(part.to(device).float() / MICROVOLTS_PER_MILLIVOLT).sigmoid().cpu() for part in x.split(BATCH)]
    return torch.cat(parts).double()
