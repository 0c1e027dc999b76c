"""Stage one: morphology η of a record given its condition, p(η | c), by diffusion as the latent's.

η is the beat that the simulator makes of it (see `simulated.py`), in principal components of the training records' own
fits: some of P, of QRS and of T, and where P and T lie (see `placed.py`), each as a normal score: the quantile of a
standard normal distribution that is as rare. Components have long tails, up to kurtosis 30, which a denoiser of the
components themselves draws too short. They are (batch, 1, 80); schedule and samplers are those of the latent.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from sediff.diffusion.intervals import Intervals, measure_bumps
from sediff.diffusion.params import MorphologyParams
from sediff.diffusion.placed import PLACED, middles, moved
from sediff.diffusion.sampler import dpm_solver_2m
from sediff.diffusion.schedule import add_noise, log_snr, velocity
from sediff.diffusion.simulated import BATCH, BUMPS, INTERVALS, Simulated, bumps_of
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Conditions
from sediff.layers import read_network, write_network
from sediff.seeds import seed_of
from sediff.training import Job, Schedule, Terms, Trained, train

COMPONENTS = (16, 46, 16)  # of P, QRS and T
SIZE = sum(COMPONENTS) + len(PLACED)
VALUES = math.prod(BUMPS[1:])  # of each of the three
PLACE = 0.03  # s, in which places are counted
FOR_COMPONENTS, FOR_OFFSETS = 4096, 400  # records
FURTHEST, SCORES = 3.5, 71  # the rarest normal score, and how many between it and its opposite quantiles are kept
RISE = 1e-4  # of a quantile from score to score at least: where many records have one value its score is still known
USUAL_RATE = 70.0  # bpm
QUERIES = 4
STEPS = 12  # of sampling; the network is small beside the denoiser
FREQUENCIES = 32
AVERAGE = 0.98  # the rate falls to zero at the end, and there are few steps


class MorphologyModel(nn.Module):
    """v(η_t, λ, condition, heart rate), and the components in which η is.

    Args:
        context: width of the condition tokens.
    """

    mean: Tensor
    components: Tensor
    usual: Tensor
    quantiles: Tensor
    scores: Tensor
    offsets: Tensor
    frequencies: Tensor

    def __init__(self, params: MorphologyParams, context: int) -> None:
        super().__init__()
        self.params, self.context = params, context
        width = params.width
        self.attention = nn.Linear(context, QUERIES)
        self.condition = nn.Linear(QUERIES * context + 2, width)
        self.level = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.enter = nn.Linear(SIZE, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(params.depth))
        self.modulations = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(params.depth))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(params.depth)
        )
        self.leave = nn.Linear(width, SIZE)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("mean", torch.zeros(len(COMPONENTS), VALUES))
        self.register_buffer("components", torch.zeros(sum(COMPONENTS), VALUES))  # rows as long as their deviation
        self.register_buffer("usual", torch.zeros(len(PLACED)))  # places of P and T, s after R
        self.register_buffer("quantiles", torch.zeros(SIZE, SCORES))  # of components, in deviations
        scores = torch.linspace(-FURTHEST, FURTHEST, SCORES).repeat(SIZE, 1)
        self.register_buffer("scores", scores, persistent=False)
        self.register_buffer("offsets", torch.zeros(len(INTERVALS)))
        frequencies = torch.exp(torch.linspace(math.log(0.05), math.log(5), FREQUENCIES))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, eta: Tensor, lam: Tensor, tokens: Tensor, mask: Tensor, heart_rates: Tensor) -> Tensor:
        """Predict v of η_t (batch, 1, 80) at λ (batch,).

        Args:
            tokens: of the condition, (batch, K, C); mask: (batch, K), true where a token is there.
            heart_rates: bpm, (batch,), known even where the condition does not state it.
        """
        shares = self.attention(tokens).masked_fill(~mask[..., None], -1e4).softmax(1)
        rate = (heart_rates / USUAL_RATE).log()[:, None]
        asked = torch.cat([(shares.transpose(1, 2) @ tokens).flatten(1), 3 * rate, 9 * rate**2], dim=1)
        angles = lam[:, None] * self.frequencies
        told = nn.functional.silu(self.level(torch.cat([angles.sin(), angles.cos()], -1)) + self.condition(asked))
        x = self.enter(eta[:, 0])
        for norm, modulation, layers in zip(self.norms, self.modulations, self.layers, strict=True):
            shift, scale = modulation(told).chunk(2, dim=-1)
            x = x + layers(norm(x) * (1 + scale) + shift)
        return self.leave(x)[:, None]

    def find_components(self, bumps: Tensor) -> None:
        """Take the principal components of training records' bumps (n, 3, 8, 220), and how they are distributed."""
        self.usual.copy_(torch.nan_to_num(middles(bumps).nanmedian(0).values))
        shapes = self._apart(bumps)[0]
        self.mean.copy_(shapes.mean(0))
        start = 0
        for of, most in enumerate(COMPONENTS):
            spread = shapes[:, of] - self.mean[of]
            count = min(most, len(bumps))
            _, deviations, directions = torch.svd_lowrank(spread, q=count, niter=4)
            lengths = (deviations / math.sqrt(len(bumps))).clamp(min=1e-4)
            self.components[start : start + count].copy_((directions * lengths).T)
            start += most
        ranks = torch.special.ndtr(self.scores[0].double()).float()
        found = self.projected(bumps).quantile(ranks, dim=0).T
        self.quantiles.copy_(found + RISE * (torch.arange(SCORES) - SCORES // 2))

    def find_offsets(self, records: Simulated) -> None:
        """Find by how much the simulator's beats are longer than the real records that they are of, in ms."""
        rows = range(0, len(records.heart_rates), -(-len(records.heart_rates) // FOR_OFFSETS))
        rates = records.heart_rates
        off = [
            torch.tensor(
                measure_bumps(
                    bumps_of(records.waves.rows(torch.tensor([row])), rates[row : row + 1])[0], float(rates[row])
                ).intervals
            )
            - records.intervals[row]
            for row in rows
        ]
        self.offsets.copy_(torch.nan_to_num(torch.stack(off).nanmedian(0).values))

    def told(self, asked: Intervals) -> Intervals:
        """The intervals of a simulated beat whose record has those that are asked."""
        return Intervals(
            *(None if of is None else of + off for of, off in zip(asked, self.offsets.tolist(), strict=True))
        )

    def of_bumps(self, bumps: Tensor) -> Tensor:
        """Bumps (n, 3, 8, 220) in mV as normal scores of their components and places: (n, 1, 80)."""
        return interpolate(self.projected(bumps), self.quantiles, self.scores)[:, None]

    def projected(self, bumps: Tensor) -> Tensor:
        """Components, in deviations, and places, in 30 ms, of bumps (n, 3, 8, 220): (n, 80)."""
        shapes, later = self._apart(bumps)
        spread = shapes - self.mean
        lengths = self.components.square().sum(1).clamp(min=1e-12)
        parts = [spread[:, of] @ rows.T for of, rows in enumerate(self.components.split(COMPONENTS))]
        return torch.cat([torch.cat(parts, dim=1) / lengths, later / PLACE], dim=1)

    def bumps(self, eta: Tensor) -> Tensor:
        """Normal scores (n, 1, 80) as bumps: (n, 3, 8, 220) in mV."""
        *parts, later = interpolate(eta[:, 0].float(), self.scores, self.quantiles).split((*COMPONENTS, len(PLACED)), 1)
        rows = self.components.split(COMPONENTS)
        made = torch.stack([part @ of for part, of in zip(parts, rows, strict=True)], dim=1)
        return moved((self.mean + made).unflatten(2, BUMPS[1:]), later * PLACE)

    def _apart(self, bumps: Tensor) -> tuple[Tensor, Tensor]:
        """P, QRS and T (n, 3, 1760), P and T in their usual places, and by how many s they come later, (n, 2)."""
        later = torch.nan_to_num(middles(bumps) - self.usual)
        return moved(bumps, -later).flatten(2), later

    @torch.no_grad()
    def sample(self, noise: Tensor, tokens: Tensor, mask: Tensor, heart_rates: Tensor) -> Tensor:
        """Bumps (batch, 3, 8, 220) in mV, of noise (batch, 1, 80); the others as `forward` takes them."""

        def predict(eta: Tensor, lam: Tensor) -> Tensor:
            return self(eta, lam, tokens, mask, heart_rates)

        return self.bumps(dpm_solver_2m(predict, noise, STEPS, lambda step: noise))

    def save(self, folder: Path) -> None:
        """Write `morphology.safetensors` and `morphology.json`."""
        write_network(self, {"context": self.context, "morphology": self.params.model_dump()}, folder, "morphology")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, in evaluation mode and frozen."""
        return read_network(
            lambda context, morphology: cls(MorphologyParams(**morphology), context), folder, "morphology"
        )


def interpolate(values: Tensor, knots: Tensor, at_knots: Tensor) -> Tensor:
    """Each column of values (n, columns) through its own broken line, level beyond the first and the last knot.

    Args:
        knots: where the line is known, rising, (columns, K); at_knots: its values there, (columns, K).
    """
    columns = values.T.contiguous()
    right = torch.searchsorted(knots, columns).clamp(1, knots.shape[1] - 1)
    below, above = knots.gather(1, right - 1), knots.gather(1, right)
    share = ((columns - below) / (above - below)).clamp(0, 1)
    return torch.lerp(at_knots.gather(1, right - 1), at_knots.gather(1, right), share).T


def train_morphology(
    params: MorphologyParams,
    records: Simulated,
    conditions: Conditions,
    conditioner: Conditioner,
    dropout: float,
    job: Job,
) -> Trained:
    """Train p(η | c) on records whose own η is known, and their conditions.

    Args:
        conditioner: frozen, on the job's device.
        dropout: share of records from which a part of the condition is withheld.
    """
    torch.manual_seed(seed_of(job.seed, "morphology"))
    network, rates = MorphologyModel(params, conditioner.config["width"]), records.heart_rates
    if not job.begin(network, "morphology"):
        some = torch.arange(0, len(rates), -(-len(rates) // FOR_COMPONENTS))
        bumps = bumps_of(records.waves.rows(some), rates[some])
        network.find_components(bumps)  # a continued network knows η in the components that it was trained in
    network.find_offsets(records)
    everything = torch.arange(len(rates)).split(BATCH)
    eta = torch.cat([network.of_bumps(bumps_of(records.waves.rows(rows), rates[rows])) for rows in everything])

    def batch(index: Tensor) -> tuple[Tensor, Conditions, Tensor]:
        return eta[index], conditions.rows(index), rates[index]

    def loss(network: nn.Module, data: Sequence, rng: torch.Generator) -> tuple[Tensor, Terms]:
        clean, asked, heart_rates = data
        noise = torch.randn(clean.shape, generator=rng).to(clean.device)
        u = (torch.arange(len(clean)) + torch.rand(len(clean), generator=rng)) / len(clean)
        lam = log_snr(u.clamp(1e-4, 1 - 1e-4)).to(clean.device)
        with torch.no_grad():
            tokens, mask = conditioner(asked.withheld(dropout, rng))
        v = network(add_noise(clean, noise, lam), lam, tokens, mask, heart_rates).float()
        return nn.functional.mse_loss(v, velocity(clean, noise, lam)), {}

    steps = job.steps(params.steps)
    schedule = Schedule(steps, min(params.batch_size, len(eta)), params.learning_rate, average=AVERAGE)
    return train(network, batch, loss, len(eta), schedule, job, "morphology")
