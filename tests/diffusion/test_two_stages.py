"""Two stages: η of p(η | c), the simulator's record of it, and what the denoiser makes of that."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sediff.autoencoder.beat import beat_grid
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.course import record_course
from sediff.diffusion.data import TrainingData
from sediff.diffusion.intervals import Intervals, edit_bumps, measure_bumps
from sediff.diffusion.loss import DiffusionLoss
from sediff.diffusion.model import Denoiser
from sediff.diffusion.morphology import COMPONENTS, SIZE, MorphologyModel, interpolate, train_morphology
from sediff.diffusion.params import DenoiserParams, DiffusionParams, MorphologyParams, PhysicsParams
from sediff.diffusion.physics import Waves as TermWaves
from sediff.diffusion.placed import PLACED, middles, moved
from sediff.diffusion.simulated import Simulated, beats_course, bumps_of, given, simulated_ecg
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition, encode_conditions
from sediff.simulator.ode import Waves
from sediff.simulator.simulate import simulate
from sediff.training import Job, Start

PEAKS = np.arange(-0.3, 11, 0.8)
RATE = 75.0
NAN = float("nan")
# θ, height in mV and width of P, Q, R, S and T; leads differ in size, and a wave in V1 points down.
THETA, WIDTH = torch.tensor([-1.3, -0.22, 0.0, 0.22, 2.0]), torch.tensor([0.16, 0.06, 0.07, 0.06, 0.35])
HEIGHT = torch.tensor([0.15, -0.1, 1.2, -0.25, 0.35])
SIZES = torch.tensor([0.8, 1.0, -0.6, 0.9, 1.2, 1.3, 1.1, 0.9])


def waves(count: int = 1, height: float = 1.0) -> Waves:
    """Of `count` records at 75 bpm, each (count, 8, 5)."""
    omega = 2 * np.pi * RATE / 60
    a = height * HEIGHT * omega / WIDTH**2
    return Waves(THETA.expand(count, 8, 5), (a * SIZES[:, None]).expand(count, 8, 5), WIDTH.expand(count, 8, 5))


def simulated(count: int, heights: list[float] | None = None) -> Simulated:
    """Records whose beats differ in height, each known."""
    found = [waves(1, height) for height in heights or [1.0] * count]
    own = Waves(*(torch.cat(values) for values in zip(*found, strict=True)))
    channels = torch.randn(count, 11, 125, generator=torch.Generator().manual_seed(3))
    channels[:, -1] = 1
    return Simulated(own, torch.full((count,), RATE), channels, torch.full((count, 3), NAN))


def test_a_simulated_record_is_the_simulators_own():
    course = beats_course(PEAKS, ["N"] * len(PEAKS), [True] * len(PEAKS))
    own = waves()
    made = simulated_ecg(bumps_of(own, torch.tensor([RATE])), [course])
    silent = Waves(own.theta, 0 * own.a, own.b)
    reference = simulate(own, silent, [course], torch.tensor([RATE]))
    level = (made - reference).median(-1, keepdim=True).values
    assert (made - reference - level).abs().max() < 0.03 * reference.abs().max()


def test_p_waves_and_ventricular_beats_come_and_go_by_themselves():
    bumps, inside = bumps_of(waves(), torch.tensor([RATE])), 5
    normal = ["N"] * len(PEAKS)
    with_all = beats_course(PEAKS, normal, [True] * len(PEAKS))
    without_p = beats_course(PEAKS, normal, np.arange(len(PEAKS)) != inside)
    ventricular = beats_course(PEAKS, [*normal[:inside], "V", *normal[inside + 1 :]], [True] * len(PEAKS))
    every, no_p, no_qrs = (simulated_ecg(bumps, [course])[0, 1] for course in (with_all, without_p, ventricular))
    t = np.arange(1000) / 100 - PEAKS[inside]
    p, r = np.abs(t + 0.166).argmin(), np.abs(t).argmin()
    assert every[p] - no_p[p] > 0.1
    assert torch.allclose(every[: p - 30], no_p[: p - 30], atol=0.01)
    assert every[r] - no_qrs[r] > 1
    assert no_qrs[p] - no_p[p] > 0.1, "the P wave before it stays"


def test_components_give_the_bumps_back():
    records = simulated(6, [0.5, 0.8, 1.0, 1.1, 1.3, 1.6])
    network = MorphologyModel(MorphologyParams(width=16, depth=1), 8)
    bumps = bumps_of(records.waves, records.heart_rates)
    network.find_components(bumps)
    eta = network.of_bumps(bumps)
    assert eta.shape == (6, 1, SIZE)
    assert torch.allclose(network.bumps(eta), bumps, atol=1e-3)
    unused = (network.components.abs().sum(1) == 0).nonzero()[:, 0]
    assert len(unused) and torch.allclose(eta[:, 0, unused], torch.zeros(1), atol=1e-3), "its score is the middle one"


def test_p_and_t_are_moved_and_qrs_stays():
    bumps = bumps_of(waves(2), torch.full((2,), RATE))
    later = moved(bumps, torch.tensor([[0.02, -0.05], [0.0075, 0.0]]))
    assert torch.equal(later[:, 1], bumps[:, 1])
    assert torch.allclose(later[0, 0, :, 24:60], bumps[0, 0, :, 20:56], atol=1e-6)
    assert torch.allclose(middles(later) - middles(bumps), torch.tensor([[0.02, -0.05], [0.0075, 0.0]]), atol=2e-4)
    silent = bumps.clone()
    silent[:, 0] = 0
    assert middles(silent)[:, 0].isnan().all()


def test_a_drawn_wave_is_as_wide_as_those_of_records_wherever_it_lies():
    """In components of waves left in their places a drawn P is wider than any that was seen."""
    later = torch.linspace(-0.04, 0.04, 200)[torch.randperm(200, generator=torch.Generator().manual_seed(0))]
    bumps = moved(bumps_of(waves(200), torch.full((200,), RATE)), torch.stack([later, 2 * later.flip(0)], 1))
    network = MorphologyModel(MorphologyParams(width=16, depth=1), 8)
    network.find_components(bumps)
    drawn = network.bumps(torch.randn(400, 1, SIZE, generator=torch.Generator().manual_seed(1)))
    for of, place in enumerate(PLACED):
        own_width, width = (
            (wave > 0.3 * wave.amax(-1, keepdim=True)).float().sum(-1)
            for wave in (bumps[:, place, 1], drawn[:, place, 1])
        )
        assert width.quantile(0.95) <= own_width.max() + 1
        assert middles(drawn)[:, of].std() == pytest.approx(float(middles(bumps)[:, of].std()), rel=0.1)


def test_normal_scores_have_the_components_long_tails():
    """What a network draws that has learned a standard normal distribution is as long-tailed as the records."""
    rng = np.random.default_rng(0)
    records = simulated(1000, list(0.3 + rng.lognormal(-1, 0.8, 1000)))
    network = MorphologyModel(MorphologyParams(width=16, depth=1), 8)
    bumps = bumps_of(records.waves, records.heart_rates)
    network.find_components(bumps)
    own = network.of_bumps(bumps)[:, 0]
    assert abs(own[:, COMPONENTS[0]].std() - 1) < 0.05 and abs(own[:, COMPONENTS[0]].mean()) < 0.02
    drawn = network.bumps(torch.randn(4000, 1, SIZE, generator=torch.Generator().manual_seed(0)))
    heights = [of[:, 1, 1].amax(-1) for of in (bumps, drawn)]
    for level in (0.01, 0.16, 0.5, 0.84, 0.99):
        real, made = (float(of.quantile(level)) for of in heights)
        assert made == pytest.approx(real, rel=0.12), level


def test_a_broken_line_is_followed_column_by_column_and_level_at_its_ends():
    knots = torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]])
    at_knots = torch.tensor([[0.0, 10.0, 11.0], [5.0, 6.0, 8.0]])
    values = torch.tensor([[0.5, 1.0], [1.5, 3.0], [9.0, -9.0]])
    expected = torch.tensor([[5.0, 5.5], [10.5, 7.0], [11.0, 5.0]])
    assert torch.allclose(interpolate(values, knots, at_knots), expected)


def test_p_of_eta_is_learned_from_the_condition(vocabulary, tmp_path):
    """Normal beats are low and those of a left bundle branch block high, and so are those that are drawn."""
    heights, texts = [0.6, 1.5] * 64, ["normal ECG", "left bundle branch block"] * 64
    rng = np.random.default_rng(0)
    records = simulated(128, [height * rng.uniform(0.9, 1.1) for height in heights])
    torch.manual_seed(0)
    conditioner = Conditioner(len(vocabulary.codes), 16, 64).eval().requires_grad_(False)
    asked = encode_conditions([Condition(text, 60, "male", RATE) for text in texts], vocabulary, 64)
    params = MorphologyParams(width=64, depth=1, steps=400, batch_size=64, learning_rate=1e-2)
    job = Job(tmp_path, tmp_path, tmp_path, 0, torch.device("cpu"))
    network = train_morphology(params, records, asked, conditioner, 0.0, job).network
    with torch.no_grad():
        tokens, mask = conditioner(asked)
    noise = torch.randn(128, 1, SIZE, generator=torch.Generator().manual_seed(0))
    drawn = network.sample(noise, tokens, mask, records.heart_rates)[:, 1, 1].amax(-1)
    low, high = drawn[::2].mean(), drawn[1::2].mean()
    assert low < 1.0 < 1.6 < high, "they were 0.7 and 1.8 mV in the mean"
    network.save(tmp_path)
    again = MorphologyModel.load(tmp_path)
    assert torch.equal(again.sample(noise, tokens, mask, records.heart_rates)[:, 1, 1].amax(-1), drawn)

    more = simulated(128, [2 * height for height in heights])  # of other components
    continued = train_morphology(
        params, more, asked, conditioner, 0.0, replace(job, work=tmp_path / "more", start=Start(tmp_path, 0.01))
    )
    assert continued.curves["loss"]["x"][-1] == 4
    assert torch.equal(continued.network.components, network.components), "η is in those that it was trained in"
    assert torch.equal(continued.network.mean, network.mean)


def loss_of(vocabulary, dropout: float) -> tuple[Denoiser, DiffusionLoss, TrainingData]:
    torch.manual_seed(0)
    params = DiffusionParams(
        denoiser=DenoiserParams(width=24, depth=1, heads=2, patch=5, morphology=True),
        morphology=MorphologyParams(dropout=dropout),
        physics=PhysicsParams(form="none"),
        condition_dropout=0.0,
    )
    conditioner = Conditioner(len(vocabulary.codes), 16, 64).requires_grad_(False)
    denoiser = Denoiser(params.denoiser, 16)
    torch.nn.init.normal_(denoiser.out.weight, std=0.1)
    inside = PEAKS[(PEAKS > 0) & (PEAKS < 10)]
    data = TrainingData(
        latents=torch.randn(4, 10, 125, generator=torch.Generator().manual_seed(2)),
        courses=torch.from_numpy(np.stack([record_course(inside, "N" * len(inside), inside.tolist())] * 4)),
        conditions=encode_conditions([Condition("sinus rhythm", 60, "male", RATE)] * 4, vocabulary, 64),
        grid=beat_grid([inside] * 4),
        waves=TermWaves(*waves(4)),
        applies=torch.ones(4),
        simulated=simulated(4),
    )
    return denoiser, DiffusionLoss(params, conditioner, Autoencoder(16, 2), data.latents), data


def test_gradients_reach_what_takes_the_simulated_record(vocabulary):
    denoiser, loss, data = loss_of(vocabulary, 0.0)
    loss(denoiser, data, torch.Generator().manual_seed(0))[0].backward()
    assert denoiser.simulated.weight.grad.abs().max() > 0


def test_it_starts_as_the_denoiser_that_does_not_see_it(vocabulary):
    denoiser, _, _ = loss_of(vocabulary, 0.0)
    torch.manual_seed(0)
    Conditioner(len(vocabulary.codes), 16, 64)
    alone = Denoiser(denoiser.params.model_copy(update={"morphology": False}), 16)
    both = dict(denoiser.named_parameters())
    assert set(both) - set(dict(alone.named_parameters())) == {"simulated.weight"}
    assert all(torch.equal(weight, both[name]) for name, weight in alone.named_parameters() if name != "out.weight")
    assert not both["simulated.weight"].any()


@pytest.mark.parametrize(("dropout", "seen"), [(0.0, True), (1.0, False)])
def test_dropped_morphology_is_forgotten(vocabulary, dropout, seen):
    denoiser, loss, data = loss_of(vocabulary, dropout)
    torch.nn.init.normal_(denoiser.simulated.weight, std=0.1)
    own = replace(data.simulated, channels=data.simulated.channels.flip(0))
    one, two = (
        loss(denoiser, of, torch.Generator().manual_seed(0))[1]["denoising"]
        for of in (data, replace(data, simulated=own))
    )
    assert torch.equal(one, two) != seen


def test_the_denoiser_without_its_condition_does_not_see_the_simulated_record(vocabulary):
    denoiser, loss, data = loss_of(vocabulary, 0.0)
    torch.nn.init.normal_(denoiser.simulated.weight, std=0.1)
    tokens, mask = loss.conditioner(data.conditions)
    z, lam, rhythm = data.latents, torch.zeros(4), torch.zeros(4, 32, 125)
    channels, dropped = data.simulated.channels, torch.tensor([True, False, True, False])
    one, two = (denoiser(z, lam, rhythm, tokens, mask, dropped, of) for of in (channels, -channels))
    assert [bool(torch.equal(a, b)) for a, b in zip(one, two, strict=True)] == dropped.tolist()


def test_what_is_given_is_the_latent_of_the_simulators_record():
    torch.manual_seed(0)
    autoencoder = Autoencoder(16, 2).eval().requires_grad_(False)
    course = beats_course(PEAKS, ["N"] * len(PEAKS), [True] * len(PEAKS))
    x = simulated_ecg(bumps_of(waves(2), torch.tensor([RATE, RATE])), [course, course])
    channels = given(autoencoder, x)
    assert channels.shape == (2, 11, 125)
    assert (channels[:, -1] == 1).all()
    assert (channels[:, :-1] - autoencoder.encode(x)).abs().mean() < 0.02


ASKED = [
    *(Intervals(pr=pr) for pr in (120, 160, 200, 240)),
    *(Intervals(qrs=qrs) for qrs in (80, 100, 120, 140)),
    *(Intervals(qt=qt) for qt in (360, 400, 440)),
    Intervals(pr=220, qrs=130, qt=430),
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_an_edited_beat_measures_what_is_asked(asked):
    """And what is not asked for stays; a longer QRS moves the end of T with it."""
    bumps = bumps_of(waves(), torch.tensor([RATE]))[0]
    before, after = (measure_bumps(of, RATE).intervals for of in (bumps, edit_bumps(bumps, RATE, asked)))
    wanted = [old if new is None else new for old, new in zip(before, asked, strict=True)]
    if asked.qt is None:
        wanted[2] += wanted[1] - before[1]
    assert after == pytest.approx(wanted, abs=8)
    height = (edit_bumps(bumps, RATE, asked).amax(-1) / bumps.amax(-1).clamp(min=0.02))[:, SIZES > 0]
    assert (height[1] - 1).abs().max() < 0.05, "no wave's height changes"


def test_without_a_p_wave_pr_cannot_be_edited_and_the_rest_can():
    bumps = bumps_of(waves(), torch.tensor([RATE]))[0]
    bumps[0] = 0
    edited = edit_bumps(bumps, RATE, Intervals(pr=200, qrs=130))
    pr, qrs, _ = measure_bumps(edited, RATE).intervals
    assert np.isnan(pr)
    assert qrs == pytest.approx(130, abs=8)
    assert not edited[0].any()


def test_offsets_are_what_simulated_beats_measure_too_long():
    records = simulated(4)
    measured = torch.tensor(measure_bumps(bumps_of(records.waves, records.heart_rates)[0], RATE).intervals)
    network = MorphologyModel(MorphologyParams(width=16, depth=1), 8)
    network.find_offsets(replace(records, intervals=(measured - torch.tensor([12.0, 2.0, 7.0])).expand(4, 3)))
    assert network.offsets.tolist() == pytest.approx([12, 2, 7])
    assert network.told(Intervals(pr=200)) == Intervals(pr=pytest.approx(212))
    network.find_offsets(records)
    assert not network.offsets.any(), "where no real record has one"
