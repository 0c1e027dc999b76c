import numpy as np
import pytest
import torch

from sediff.autoencoder.beat import beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.model import Denoiser
from sediff.diffusion.params import DenoiserParams, DiffusionParams, PhysicsParams
from sediff.diffusion.physics import IDENTITIES, Waves, euler_loss, field, interlead_loss, slopes
from sediff.diffusion.train import DiffusionLoss, TrainingData, record_phase
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, encode_conditions
from sediff.simulator.ode import steady_beat

THETA = torch.tensor([-1.2, -0.25, 0.0, 0.25, 1.7])
A = torch.tensor([1.2, -5.0, 30.0, -7.5, 0.75])
B = torch.tensor([0.25, 0.1, 0.1, 0.1, 0.4])
PEAKS = np.arange(0.5, 9.8, 0.8)


@pytest.fixture
def setting(vocabulary) -> tuple[Denoiser, DiffusionLoss, TrainingData]:
    """Small networks, their loss, and four random records."""
    torch.manual_seed(0)
    params = DiffusionParams(
        denoiser=DenoiserParams(width=24, depth=1, heads=2, patch=5),
        physics=PhysicsParams(euler=1.0, interlead=1.0, every=1, rows=4),
    )
    conditioner = Conditioner(len(vocabulary.codes), 16, 64)
    decoder = Autoencoder(16, 2).requires_grad_(False)
    denoiser = Denoiser(params.denoiser, 16)
    torch.nn.init.normal_(denoiser.out.weight, std=0.1)
    shape = (4, 8, 5)
    data = TrainingData(
        latents=torch.randn(4, 10, 125),
        phases=torch.from_numpy(np.stack([record_phase(PEAKS)] * 4)),
        conditions=encode_conditions([Condition("sinus rhythm", 60, "male", 75)] * 4, vocabulary, 64),
        grid=beat_grid([PEAKS] * 4),
        waves=Waves(THETA.expand(shape), A.expand(shape), B.expand(shape)),
    )
    return denoiser, DiffusionLoss(params, conditioner.requires_grad_(False), decoder, data.latents), data


@pytest.mark.parametrize("term", ["euler", "interlead"])
def test_each_term_alone_reaches_the_denoiser_and_nothing_frozen(setting, term):
    denoiser, loss, data = setting
    _, terms = loss(denoiser, data, torch.Generator().manual_seed(0))
    terms[term].backward()
    gradients = [weight.grad for weight in denoiser.parameters() if weight.grad is not None]
    assert gradients, "no weight of the denoiser has a gradient"
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0
    assert all(weight.grad is None for weight in loss.decoder.parameters())
    assert all(weight.grad is None for weight in loss.conditioner.parameters())


def test_a_beat_of_the_simulator_has_little_residual_and_a_foreign_one_has_much():
    grid = beat_grid([PEAKS])
    rr = float(grid.rr[0])
    omega = torch.tensor(2 * np.pi / rr, dtype=torch.float32)
    cycle = steady_beat(omega, THETA, A, B, 8000)
    theta = grid.phase()[0]
    position = ((theta / (2 * np.pi) + 0.5) % 1 * 8000).long()
    beat = cycle[position].expand(1, 8, -1)
    waves = Waves(*(x.expand(1, 8, 5) for x in (THETA, A, B)))
    inside = grid.inside()[:, :-1]
    own = euler_loss(slopes(beat), field(beat, grid, waves), inside)
    foreign = euler_loss(slopes(beat.flip(-1)), field(beat.flip(-1), grid, waves), inside)
    # What is left is the forward difference at 100 Hz, which the paper's term has too.
    assert own < 0.3 * foreign
    assert own < 0.6 * (slopes(beat) ** 2).mean()


def test_interlead_is_the_quadratic_form_in_the_residuals_of_i_and_ii():
    generator = torch.Generator().manual_seed(0)
    slope, vector = (torch.randn(3, 8, 95, generator=generator, dtype=torch.float64) for _ in range(2))
    inside = torch.ones(3, 95, dtype=torch.float64)
    r1, r2 = (slope - vector)[:, 0], (slope - vector)[:, 1]
    form = (3.5 * r1**2 - 3.5 * r1 * r2 + 3.5 * r2**2).mean(-1)
    assert torch.allclose(interlead_loss(slope, vector, inside), form)


def test_the_identities_are_the_papers():
    limb = {0: (1.0, 0.0), 1: (0.0, 1.0), 2: (-1.0, 1.0), 3: (-0.5, -0.5), 4: (1.0, -0.5), 5: (-0.5, 1.0)}
    assert len(IDENTITIES) == 6
    for child, p, q, c1, c2 in IDENTITIES:
        combined = tuple(c1 * a + c2 * b for a, b in zip(limb[p], limb[q], strict=True))
        assert combined == pytest.approx(limb[child])
