from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
import torch

from sediff.autoencoder.beat import BeatGrid, beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.course import record_course
from sediff.diffusion.data import TrainingData
from sediff.diffusion.loss import DiffusionLoss
from sediff.diffusion.model import Denoiser
from sediff.diffusion.params import DenoiserParams, DiffusionParams, PhysicsParams
from sediff.diffusion.physics import IDENTITIES, Waves, euler_loss, field, interlead_loss, slopes
from sediff.diffusion.physics_forms import FORMS, WEIGHTS, Form, simulated
from sediff.ecg import INDEPENDENT_LEADS, LIMB_LEADS
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, encode_conditions
from sediff.simulator.morphology import ALL, OWN
from sediff.simulator.ode import ECGSYN, WAVES, steady_beat
from sediff.simulator.ode import Waves as SimulatorWaves

THETA = torch.tensor([-1.2, -0.25, 0.0, 0.25, 1.7])
A = torch.tensor([1.2, -5.0, 30.0, -7.5, 0.75])
B = torch.tensor([0.25, 0.1, 0.1, 0.1, 0.4])
PEAKS = np.arange(0.5, 9.8, 0.8)


PHYSICS = PhysicsParams(form="paper-scaled", euler=1.0, interlead=1.0, every=1, rows=4)


def loss_of(vocabulary, physics: PhysicsParams = PHYSICS, rhythm: bool = True) -> tuple[Denoiser, DiffusionLoss]:
    """Small networks of the same random weights each time, and their loss."""
    torch.manual_seed(0)
    params = DiffusionParams(
        denoiser=DenoiserParams(width=24, depth=1, heads=2, patch=5, rhythm=rhythm), physics=physics
    )
    conditioner = Conditioner(len(vocabulary.codes), 16, 64)
    decoder = Autoencoder(16, 2).requires_grad_(False)
    denoiser = Denoiser(params.denoiser, 16)
    torch.nn.init.normal_(denoiser.out.weight, std=0.1)
    return denoiser, DiffusionLoss(params, conditioner.requires_grad_(False), decoder, records(vocabulary).latents)


def records(vocabulary) -> TrainingData:
    """Four records of random latents."""
    shape = (4, 8, 5)
    return TrainingData(
        latents=torch.randn(4, 10, 125, generator=torch.Generator().manual_seed(2)),
        courses=torch.from_numpy(np.stack([record_course(PEAKS, "N" * len(PEAKS), PEAKS.tolist())] * 4)),
        conditions=encode_conditions([Condition("sinus rhythm", 60, "male", 75)] * 4, vocabulary, 64),
        grid=beat_grid([PEAKS] * 4),
        waves=Waves(THETA.expand(shape), A.expand(shape), B.expand(shape)),
        applies=torch.ones(4),
    )


@pytest.mark.parametrize("form", [form for form in FORMS if form != "none"])
@pytest.mark.parametrize("term", ["euler", "interlead"])
def test_each_term_alone_reaches_the_denoiser_and_nothing_frozen(vocabulary, form, term):
    denoiser, loss = loss_of(vocabulary, PHYSICS.model_copy(update={"form": form}))
    _, terms = loss(denoiser, records(vocabulary), torch.Generator().manual_seed(0))
    terms[term].backward()
    gradients = [weight.grad for weight in denoiser.parameters() if weight.grad is not None]
    assert gradients, "no weight of the denoiser has a gradient"
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0
    assert all(weight.grad is None for weight in loss.decoder.parameters())
    assert all(weight.grad is None for weight in loss.conditioner.parameters())


def test_the_forms_are_those_that_the_parameter_allows():
    fields = PhysicsParams.model_fields
    assert get_args(fields["form"].annotation) == tuple(FORMS)
    assert get_args(fields["weight"].annotation) == tuple(WEIGHTS)


def test_without_weight_a_form_is_none_to_the_last_bit(vocabulary):
    """And physics draws after all else, so that arms at one seed see the same noise."""
    found = {}
    for name, physics in {
        "none": PhysicsParams(form="none"),
        "weightless": PhysicsParams(form="paper", euler=0, interlead=0),
        "paper": PhysicsParams(form="paper", euler=1, every=1, rows=4),
        "seldom": PhysicsParams(form="hinge", every=100, rows=2),
    }.items():
        denoiser, loss = loss_of(vocabulary, physics)
        total, terms = loss(denoiser, records(vocabulary), torch.Generator().manual_seed(0))
        total.backward()
        found[name] = (terms["denoising"].detach(), denoiser.out.weight.grad, total.detach())
    assert all(torch.equal(found["none"][0], denoising) for denoising, _, _ in found.values())
    assert torch.equal(found["none"][1], found["weightless"][1])
    assert torch.equal(found["none"][2], found["weightless"][2])
    assert not torch.equal(found["none"][1], found["paper"][1])


def test_where_few_records_apply_they_count_as_often_as_all_of_them_would(vocabulary):
    """The mean over the batch is the same whether silent records are in the way or not."""
    _, loss = loss_of(vocabulary, PHYSICS.model_copy(update={"form": "shrinkage", "rows": 2}))
    data, lam = records(vocabulary), torch.zeros(4)
    one = replace(data, applies=torch.tensor([0.0, 0.0, 1.0, 0.0]))
    values = [loss.physics(data.latents, lam, one, torch.Generator().manual_seed(i))[0] for i in range(4)]
    assert all(torch.allclose(value, values[0]) for value in values), "it is always among those that are taken"
    alone = loss.physics(data.latents[2:3], lam[:1], data.rows(torch.tensor([2])), torch.Generator())[0]
    assert torch.allclose(4 * values[0], alone)
    none = replace(data, applies=torch.zeros(4))
    assert loss.physics(data.latents, lam, none, torch.Generator())[0] == 0


@pytest.mark.parametrize("weight", list(WEIGHTS))
def test_the_noise_level_weighs_the_terms(vocabulary, weight):
    _, loss = loss_of(vocabulary, PHYSICS.model_copy(update={"weight": weight}))
    data = records(vocabulary)
    clean, noisy = (
        loss.physics(data.latents, torch.full((4,), lam), data, torch.Generator().manual_seed(0))[0]
        for lam in (10.0, -10.0)
    )
    assert noisy == clean if weight == "1" else noisy < 1e-3 * clean


def test_gradients_of_the_terms_are_measured_and_nothing_is_left_behind(vocabulary):
    denoiser, loss = loss_of(vocabulary)
    norms = loss.gradients(denoiser, records(vocabulary), torch.Generator().manual_seed(0))
    assert all(weight.grad is None for weight in denoiser.parameters())
    assert set(norms) == {"denoising_gradient", "euler_gradient", "interlead_gradient"}
    assert min(norms.values()) > 0
    _, terms = loss(denoiser, records(vocabulary), torch.Generator().manual_seed(0))
    terms["euler"].backward()
    squares = sum(weight.grad.square().sum() for weight in denoiser.parameters() if weight.grad is not None)
    assert norms["euler_gradient"] == pytest.approx(float(squares.sqrt()), rel=1e-4)
    none = PHYSICS.model_copy(update={"form": "none"})
    assert (
        loss_of(vocabulary, none)[1].gradients(denoiser, records(vocabulary), torch.Generator())["euler_gradient"] == 0
    )
    assert loss.physics_seconds(records(vocabulary)) > 0


def test_without_its_rhythm_channels_the_denoiser_does_not_see_the_rhythm(vocabulary):
    data = records(vocabulary)
    other = replace(data, courses=data.courses + 1)
    for rhythm in (True, False):
        denoiser, loss = loss_of(vocabulary, rhythm=rhythm)
        one, two = (loss(denoiser, x, torch.Generator().manual_seed(0))[1]["denoising"] for x in (data, other))
        assert torch.equal(one, two) != rhythm


def beats() -> tuple[torch.Tensor, torch.Tensor, BeatGrid, Waves]:
    """Two random beats near two others, float64, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(2, 8, 96, generator=generator, dtype=torch.float64)
    beat = (real + 0.1 * torch.randn(2, 8, 96, generator=generator, dtype=torch.float64)).requires_grad_()
    waves = Waves(*(x.double().expand(2, 8, 5) for x in (THETA, A, B)))
    return beat, real, beat_grid([PEAKS] * 2), waves


def test_at_the_real_beat_the_control_and_the_hinge_have_no_gradient_and_a_class_has():
    _, real, grid, waves = beats()
    for name, form in FORMS.items():
        if form is None:
            continue
        at = real.clone().requires_grad_()
        sum(term.sum() for term in form(at, real, grid, waves)).backward()
        assert bool(at.grad.abs().max() > 1e-6) == (name not in ("derivative", "hinge"))


def test_the_hinge_is_what_exceeds_the_real_beats_residual():
    beat, real, grid, waves = beats()
    of_beat, of_real = (Form("class", midway=True)(x, real, grid, waves)[0] for x in (beat, real))
    assert torch.allclose(FORMS["hinge"](beat, real, grid, waves)[0], (of_beat - of_real).clamp(min=0))


def test_the_papers_form_does_not_know_the_rate_and_sees_its_crop_only():
    beat, real, grid, waves = beats()
    slower = BeatGrid(grid.r_peaks, grid.rr * 1.2)
    moved = beat.detach().clone()
    moved[..., [*range(15), *range(77, 96)]] += 1  # before R − 0.2 s and after R + 0.4 s
    paper, scaled = FORMS["paper"], FORMS["paper-scaled"]
    assert torch.equal(paper(beat, real, grid, waves)[0], paper(beat, real, slower, waves)[0])
    assert not torch.equal(scaled(beat, real, grid, waves)[0], scaled(beat, real, slower, waves)[0])
    inner, outer = (paper(x, real, grid, waves)[0] for x in (beat, moved))
    jump = ((moved[..., 15] - moved[..., 14]) - (beat[..., 15] - beat[..., 14])).abs().max()
    assert jump > 0.9, "the change begins at the crop's edge"
    assert torch.allclose(inner, outer)


def write_simulator(folder: Path) -> None:
    """Morphology of two statements, one with few cases, and of one record."""
    rows = [
        {
            "statement": statement,
            "lead": lead,
            "wave": wave,
            "theta": float(THETA[k]),
            "a": float(A[k]) * scale,
            "b": float(B[k]),
            "error": 0.1,
            "count": count,
            "source": OWN,
            "fitted_at": 60.0,
            "offset_exponent": ECGSYN.offset[k],
            "width_exponent": ECGSYN.width[k],
        }
        for statement, count, scale in ((ALL, 400, 1.0), ("NORM", 300, 1.0), ("CLBBB", 30, 2.0))
        for lead in INDEPENDENT_LEADS
        for k, wave in enumerate(WAVES)
    ]
    floats = dict.fromkeys(("theta", "a", "b", "error", "fitted_at"), pl.Float32)
    pl.DataFrame(rows, schema_overrides=floats).write_parquet(folder / "morphology.parquet")
    own = {
        name: pl.Series([[value] * 40], dtype=pl.Array(pl.Float32, 40))
        for name, value in (("theta", 0.5), ("a", 7), ("b", 0.3))
    }
    pl.DataFrame({"record_id": ["x/2"], **own}).write_parquet(folder / "records.parquet")


def test_each_form_takes_its_own_morphology(tmp_path):
    write_simulator(tmp_path)
    records = pl.DataFrame(
        {
            "record_id": ["x/1", "x/2", "x/3"],
            "statements": [["NORM"], ["NORM"], ["CLBBB"]],
            "heart_rate": [60.0, 120.0, 60.0],
        }
    )
    found = {form: simulated(PhysicsParams(form=form), records, tmp_path) for form in FORMS}
    a = {form: waves.a[:, 0, 2].tolist() for form, (waves, _) in found.items()}
    assert a["paper"] == pytest.approx([30, 30, 60])
    assert a["paper-scaled"] == a["hinge"] == a["shrinkage"]
    assert found["paper-scaled"][0].b[1, 0, 2] == pytest.approx(0.1 * 2**0.5)
    own = SimulatorWaves(*(torch.full((5,), value) for value in (0.5, 7.0, 0.3))).at_rate(torch.tensor(120.0))
    assert a["record"] == pytest.approx([30, own.a[2].item(), 60])
    applies = {form: applies.tolist() for form, (_, applies) in found.items()}
    assert applies["record"] == [0, 1, 0]
    assert applies["shrinkage"] == [0, 0, 1]
    assert applies["paper"] == applies["hinge"] == [1, 1, 1]


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
    phase = grid.phase()[:, :-1]
    own = euler_loss(slopes(beat), field(beat[..., :-1], phase, waves), inside)
    foreign = euler_loss(slopes(beat.flip(-1)), field(beat.flip(-1)[..., :-1], phase, waves), inside)
    # What is left is the forward difference at 100 Hz, which the paper's term has too.
    assert own < 0.3 * foreign
    assert own < 0.6 * (slopes(beat) ** 2).mean()
    sampled, _ = Form("class")(beat, beat, grid, waves)
    midway, _ = Form("class", midway=True)(beat, beat, grid, waves)
    assert torch.allclose(sampled, own)
    assert midway < 0.03 * own, "midway nearly nothing is left"


def quadratic_form(slope: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Mean of 3.5 r_I² − 3.5 r_I r_II + 3.5 r_II² of Euler residuals: (batch,)."""
    r1, r2 = (slope - vector)[:, 0], (slope - vector)[:, 1]
    return (3.5 * r1**2 - 3.5 * r1 * r2 + 3.5 * r2**2).mean(-1)


def test_interlead_of_eight_leads_is_the_quadratic_form_in_the_residuals_of_i_and_ii():
    generator = torch.Generator().manual_seed(0)
    slope, vector = (torch.randn(3, 8, 95, generator=generator, dtype=torch.float64) for _ in range(2))
    inside = torch.ones(3, 95, dtype=torch.float64)
    assert torch.allclose(interlead_loss(slope, vector, inside), quadratic_form(slope, vector))


def test_interlead_of_twelve_free_leads_says_something_of_its_own():
    """The model that the paper's term was written for: twelve leads of h and of η, bound by nothing."""
    generator = torch.Generator().manual_seed(0)
    grid, inside = beat_grid([PEAKS] * 3), torch.ones(3, 95, dtype=torch.float64)
    free = torch.randn(3, 12, 96, generator=generator, dtype=torch.float64)
    heights = 1 + torch.randn(3, 12, 5, generator=generator, dtype=torch.float64)
    waves = Waves(*(x.double().expand(3, 12, 5) for x in (THETA, A, B)))
    waves = Waves(waves.theta, waves.a * heights, waves.b)
    form = Form("class")
    euler, interlead = form(free, free, grid, waves)
    slope, vector = slopes(free), field(free[..., :-1], grid.phase()[:, :-1].double(), waves)
    assert euler.shape == interlead.shape == (3,)
    assert (interlead / quadratic_form(slope, vector) - 1).abs().min() > 0.01
    by_hand = sum((slope[:, y] - c1 * vector[:, p] - c2 * vector[:, q]) ** 2 for y, p, q, c1, c2 in IDENTITIES).mean(-1)
    assert torch.allclose(interlead_loss(slope, vector, inside), by_hand)
    # Bound by the identities, in h and in η alike, it is the quadratic form again.
    limb = torch.from_numpy(LIMB_LEADS)
    bound = [torch.cat([x[:, :2], limb @ x[:, :2], x[:, 6:]], dim=1) for x in (slope, vector)]
    assert torch.allclose(interlead_loss(*bound, inside), quadratic_form(slope, vector))


def test_the_identities_are_the_papers():
    limb = {0: (1.0, 0.0), 1: (0.0, 1.0), 2: (-1.0, 1.0), 3: (-0.5, -0.5), 4: (1.0, -0.5), 5: (-0.5, 1.0)}
    assert len(IDENTITIES) == 6
    for child, p, q, c1, c2 in IDENTITIES:
        combined = tuple(c1 * a + c2 * b for a, b in zip(limb[p], limb[q], strict=True))
        assert combined == pytest.approx(limb[child])
