"""Whether drawn morphology is spread as the records' own: `python benchmarks/morphology.py CLONE [--records 4000]`.

CLONE is where `diffusion` has run with `diffusion.denoiser.morphology`. η is drawn from p(η | c) under the conditions
of training records, and compared with those records' own fits, as bumps:

- what the components leave out of the own ones;
- deviation and kurtosis of each principal component of the own ones, medians over the components;
- sliced Wasserstein-1 over 512 random directions, in deviations of the components, and Fréchet distance in the
  components, each between disjoint halves of the records, beside halves of the own ones;
- the deviation of the beat's height, peak to peak, in each lead, as a share of the own ones';
- the width of the P wave at a third of its height, and PR and QT, median and deviation, of some of both.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torch import Tensor

from sediff.diffusion.data import load_training_data
from sediff.diffusion.intervals import measure_bumps
from sediff.diffusion.morphology import SIZE, MorphologyModel
from sediff.diffusion.simulated import RATE, bumps_of
from sediff.ecg import INDEPENDENT_LEADS
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import PARAMS, Params
from sediff.vocabulary import Vocabulary

BATCH, DIRECTIONS = 500, 512
LONGEST = 8.0  # deviations: one record alone decides no distance
MEASURED, LOW = 400, 1 / 3  # records whose intervals are measured; share of P's height


def both(clone: Path, most: int) -> tuple[MorphologyModel, Tensor, Tensor, Tensor]:
    """The model, and bumps of some training records' own η and of what is drawn in their place, (n, 3, 8, 220),
    and their rates in bpm.
    """
    params, data = Params.load(clone / PARAMS), clone / "data"
    conditioner, network = Conditioner.load(data / "encoder/conditioner"), MorphologyModel.load(data / "diffusion")
    stages = (data / name for name in ("corpus", "simulator", "knowledge", "autoencoder"))
    loaded = load_training_data(params.diffusion, *stages, conditioner, Vocabulary.load(), EmbeddingAccess())
    assert loaded.simulated is not None
    rng = torch.Generator().manual_seed(0)
    known = loaded.simulated.known
    rows = known[torch.randperm(len(known), generator=rng)[:most]]
    own, drawn = [], []
    for some in rows.split(BATCH):
        records = loaded.simulated.rows(some)
        with torch.no_grad():
            tokens, mask = conditioner(loaded.conditions.rows(some))
        own.append(bumps_of(records.waves, records.heart_rates))
        noise = torch.randn(len(some), 1, SIZE, generator=rng)
        drawn.append(network.sample(noise, tokens, mask, records.heart_rates))
    return network, torch.cat(own), torch.cat(drawn), loaded.simulated.heart_rates[rows]


def kurtosis(values: Tensor) -> Tensor:
    """Of each column."""
    return ((values - values.mean(0)) / values.std(0)).pow(4).mean(0)


def sliced(one: Tensor, other: Tensor) -> float:
    """Mean Wasserstein-1 over random directions."""
    directions = torch.randn(one.shape[1], DIRECTIONS, generator=torch.Generator().manual_seed(0))
    directions /= directions.norm(dim=0)
    first, second = ((values @ directions).sort(0).values for values in (one, other))
    return float((first - second).abs().mean())


def frechet(one: Tensor, other: Tensor) -> float:
    """Fréchet distance of the two normal distributions that have their moments."""
    means, covariances = zip(*((v.mean(0).numpy(), np.cov(v.double().numpy().T)) for v in (one, other)), strict=True)
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    return float(np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * root))


def p_widths(bumps: Tensor) -> NDArray[np.float64]:
    """Of each record, ms, over all leads."""
    height = bumps[:, 0].square().mean(1).sqrt()
    return ((height > LOW * height.amax(1, keepdim=True)).sum(1) * 1000 / RATE).double().numpy()


def intervals(bumps: Tensor, rates: Tensor) -> dict[str, NDArray[np.float64]]:
    """P width, PR and QT in ms, NaN where there is no P wave."""
    found = np.array([measure_bumps(*pair).intervals for pair in zip(bumps, rates.tolist(), strict=True)])
    return {"P width": np.where(np.isnan(found[:, 0]), np.nan, p_widths(bumps)), "PR": found[:, 0], "QT": found[:, 2]}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="where `diffusion` has run")
    parser.add_argument("--records", type=int, default=4000)
    arguments = parser.parse_args()
    network, own, drawn, rates = both(arguments.clone, arguments.records)
    real, made = (network.projected(bumps).clamp(-LONGEST, LONGEST) for bumps in (own, drawn))
    back = network.bumps(network.of_bumps(own)) - own
    p, others = (float(part.square().mean().sqrt()) for part in (back[:, 0], back[:, 1:].sum(1)))
    print(
        f"what the components leave out, root mean square: {1000 * p:.1f} µV of P, {1000 * others:.1f} µV of QRS and T"
    )
    ratio = made.std(0) / real.std(0)
    low, middle, high = torch.quantile(ratio, torch.tensor([0.1, 0.5, 0.9])).tolist()
    print(f"{len(real)} records; deviation of a component, drawn over own: {middle:.3f} ({low:.3f} to {high:.3f})")
    print(f"kurtosis: own {kurtosis(real).median():.1f}, drawn {kurtosis(made).median():.1f}")
    half = len(real) // 2
    for name, distance in (("sliced Wasserstein-1", sliced), ("Fréchet distance", frechet)):
        own_halves, drawn_to_own = (
            distance(real[:half], real[half : 2 * half]),
            distance(made[:half], real[half : 2 * half]),
        )
        print(f"{name}: drawn {drawn_to_own:.4f}, own halves {own_halves:.4f}")
    heights = [bumps.sum(1).amax(-1) - bumps.sum(1).amin(-1) for bumps in (own, drawn)]
    shares = (heights[1].std(0) / heights[0].std(0)).tolist()
    measured = [intervals(bumps[:MEASURED], rates[:MEASURED]) for bumps in (own, drawn)]
    for name in measured[0]:
        told = (f"{np.nanmedian(of[name]):.0f} ± {np.nanstd(of[name]):.0f}" for of in measured)
        print(f"{name}, ms: {', drawn '.join(told)}")
    print("deviation of heights: " + ", ".join(f"{n} {s:.2f}" for n, s in zip(INDEPENDENT_LEADS, shares, strict=True)))


if __name__ == "__main__":
    main()
