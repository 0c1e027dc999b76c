"""Which forms of the physics terms leave real beats alone: `python benchmarks/admissibility.py CLONE [--records 1000]`.

For each form the gradient of L_Euler with respect to the beat h, at D_beat of the latents of real held-out records, in
the unit of the training (over the mean square slope). A form is admissible where its mean gradient is zero within
error; where it is not, the size of the mean beside that of a record's gradient states the bias. Errors count patients.

A mean of zero is not enough: η of a class pulls each record towards the class's mean, upwards from one side and
downwards from the other. So the pull is given too: the cosine between the gradient and the record's distance from the
mean beat of its statement; 0 pulls nowhere, 1 straight to the mean. And both are taken away from the real beat, where
the latent has some noise, since `hinge` and `derivative` have no gradient at the real beat itself.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sediff.autoencoder.beat import beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.bootstrap import interval, patient_draws
from sediff.diffusion.params import PhysicsParams
from sediff.diffusion.physics import Waves, slopes
from sediff.diffusion.physics_forms import FORMS, Form, simulated
from sediff.ecg import independent_leads, to_millivolts
from sediff.records import read_columns, read_signals
from sediff.simulator.beats import complete, median_beats
from sediff.simulator.morphology import Morphology
from sediff.simulator.own import ends_of, fit_records

BATCH = 128
EXPECTED = 0.05  # share of |z| above 1.96 that chance gives
Gradients = NDArray[np.float64]


def own_waves(
    records: pl.DataFrame, signals: NDArray[np.int16], simulator: Path, steps: int
) -> tuple[Waves, NDArray[np.bool_]]:
    """η fitted to each held-out record as the simulator stage fits training records, and which have a fit."""
    morphology, statements = Morphology.load(simulator), records["statements"].to_list()
    rates = records["heart_rate"].to_numpy().astype(np.float64)
    peaks = [np.asarray(row, np.float64) for row in records["r_peaks"].to_list()]
    beats = median_beats(signals, peaks, records["beat_kinds"].to_list(), rates)
    rows = complete(beats)
    at = torch.tensor(rates[rows], dtype=torch.float32)
    fitted = fit_records(beats, rates, ends_of(records), statements, morphology, steps)
    scaled = fitted.waves.at_rate(at[:, None], morphology.common)
    whole = [torch.ones(len(records), *of.shape[1:]) for of in scaled]
    for of, values in zip(whole, scaled, strict=True):
        of[torch.from_numpy(rows)] = values
    return Waves(*whole), rows


def gradients(form: Form, beat: Tensor, real: Tensor, records: pl.DataFrame, waves: Waves, scale: float) -> Gradients:
    """Gradient of each record's L_Euler / scale with respect to its beat: (n, 8, 96), 1/mV."""
    at = beat.clone().requires_grad_()
    euler, _ = form(at, real, beat_grid([np.asarray(row) for row in records["r_peaks"].to_list()]), waves)
    (found,) = torch.autograd.grad(euler.sum() / scale, at)
    return found.double().numpy()


def mean_and_error(values: Gradients, patients: NDArray) -> tuple[Gradients, Gradients]:
    """Mean over records of values (n, ...), and its standard error with the records of a patient as one."""
    mean = values.mean(0)
    unique, owner = np.unique(patients, return_inverse=True)
    sums = np.zeros((len(unique), *mean.shape))
    np.add.at(sums, owner, values - mean)
    return mean, np.sqrt((sums**2).sum(0)) / len(values)


def line(name: str, noise: float, found: Gradients, away: Gradients, patients: NDArray, draws: int) -> str:
    """A row of the table; `away` is each record's distance from its statement's mean beat, (n, 8, 96)."""
    size = float(np.sqrt((found**2).mean()))
    if size == 0:
        return f"| {name} | {noise:g} | {len(found)} | 0 | 0 | – | – | zero |"
    mean, error = mean_and_error(found, patients)
    known = error > 0
    beyond = float((np.abs(mean[known] / error[known]) > 1.96).mean())
    parts = np.stack([(found * away).sum((1, 2)), (found**2).sum((1, 2)), (away**2).sum((1, 2))], axis=1)
    sums = [parts[rows].sum(0) for rows in patient_draws(patients, draws, np.random.default_rng(0))]
    pulls = [across / np.sqrt(own * of) for across, own, of in sums if own * of > 0]
    pull = interval(pulls or [0.0])
    told = f"{pull['median']:+.3f} ({pull['low']:+.3f} to {pull['high']:+.3f})" if pulls else "–"
    bias = float(np.sqrt((mean**2).mean())) / size
    verdict = "zero within error" if beyond <= 2 * EXPECTED else f"biased by {bias:.0%} of a record's gradient"
    if pull["low"] > 0.02:
        verdict += ", pulls to the class's mean"
    return f"| {name} | {noise:g} | {len(found)} | {size:.3g} | {bias:.1%} | {beyond:.0%} | {told} | {verdict} |"


def distance_from_class(beats: Tensor, statements: Sequence[str]) -> Gradients:
    """Each beat less the mean beat of its statement: (n, 8, 96) in mV."""
    values, names = beats.double().numpy(), np.array(statements)
    away = np.empty_like(values)
    for name in np.unique(names):
        away[names == name] = values[names == name] - values[names == name].mean(0)
    return away


@torch.no_grad()
def beats_of(network: Autoencoder, leads: NDArray[np.float32], noise: float) -> Tensor:
    """D_beat of the records' latents (n, 8, 1000) in mV, with noise of so many deviations: (n, 8, 96)."""
    rng, parts = torch.Generator().manual_seed(0), []
    for part in torch.from_numpy(leads).split(BATCH):
        z = network.encode(part)
        parts.append(network.decode_beat(z + noise * torch.randn(z.shape, generator=rng)).float())
    return torch.cat(parts)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, help="folder of a clone whose corpus, simulator and autoencoder have run")
    parser.add_argument("--records", type=int, default=1000, help="held-out records")
    parser.add_argument("--split", default="test")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.3], help="deviations of the latent")
    parser.add_argument("--fit-steps", type=int, default=20)
    parser.add_argument("--draws", type=int, default=200)
    arguments = parser.parse_args()
    data = arguments.clone / "data"
    columns = read_columns(data / "corpus/records")
    among = np.flatnonzero((columns["split"] == arguments.split).to_numpy())
    chosen = np.sort(np.random.default_rng(0).permutation(among)[: arguments.records])
    records, stored = columns[chosen], independent_leads(read_signals(data / "corpus/records")[chosen])
    patients = records["patient_id"].to_numpy()
    network, leads = Autoencoder.load(data / "autoencoder"), to_millivolts(stored)
    own, fitted = own_waves(records, stored, data / "simulator", arguments.fit_steps)
    named = Morphology.load(data / "simulator").statement_of(records["statements"].to_list())
    real = beats_of(network, leads, 0.0)
    scale, away = float((slopes(real) ** 2).mean()), distance_from_class(real, named)
    print(f"{len(records)} {arguments.split} records of {len(set(patients))} patients\n")
    print(
        "| form | noise of z | records | gradient, rms, 1/mV | its mean, share | beyond 1.96 errors | pull | verdict |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for noise in arguments.noise:
        beat = beats_of(network, leads, noise) if noise else real
        for name, form in FORMS.items():
            if form is None:
                continue
            waves, applies = simulated(PhysicsParams(form=name), records, data / "simulator")
            rows = fitted if form.of == "record" else applies.bool().numpy()
            if not rows.any():
                continue
            taken = torch.from_numpy(np.flatnonzero(rows))
            of = (own if form.of == "record" else waves).rows(taken)
            found = gradients(form, beat[taken], real[taken], records.filter(pl.Series(rows)), of, scale)
            print(line(name, noise, found, away[rows], patients[rows], arguments.draws), flush=True)


if __name__ == "__main__":
    main()
