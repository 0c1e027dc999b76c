"""The networks that a plan can name: built, trained as `classify.fit` trains, and how much work a step is."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sediff.ecg import INDEPENDENT_LEADS, MICROVOLTS_PER_MILLIVOLT, SAMPLES
from sediff.seeds import seed_of
from sediff.study.classify import augment, deep_classifier
from sediff.study.plan import ClassifierParams, NetworkParams
from sediff.study.xresnet import XResNet1d
from sediff.training import Job, Schedule, Terms, Trained, train

CLASSES = 5  # whose number hardly changes the work


def fit_network(
    params: NetworkParams, x: Tensor, y: Tensor, rows: Tensor, augmented: bool, job: Job, label: str
) -> Trained:
    """Train an xresnet1d on rows of signals, as `classify.fit`, with its arguments, the plan's classifier."""
    torch.manual_seed(seed_of(job.seed, "classifier", label))
    network = XResNet1d(y.shape[1], params.depth, params.width, params.kernel)

    def batch(index: Tensor) -> tuple[Tensor, Tensor]:
        return x[rows[index]], y[rows[index]]

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor], rng: torch.Generator) -> tuple[Tensor, Terms]:
        signals = batch[0].float() / MICROVOLTS_PER_MILLIVOLT
        logits = network(augment(signals, rng) if augmented else signals)
        return nn.functional.binary_cross_entropy_with_logits(logits, batch[1]), {}

    schedule = Schedule(params.steps, min(params.batch_size, len(rows)), params.learning_rate)
    return train(network, batch, loss, len(rows), schedule, job, label)


def work_of(params: ClassifierParams | NetworkParams) -> int:
    """Operations of one step, but for a factor that all networks share; none of them is done."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        if isinstance(params, NetworkParams):
            network: nn.Module = XResNet1d(CLASSES, params.depth, params.width, params.kernel)
        else:
            network = deep_classifier(CLASSES, params.width, params.depth)
        network.eval()(torch.zeros(1, len(INDEPENDENT_LEADS), SAMPLES))
    return counter.get_total_flops() * params.batch_size
