import torch

from sediff.diffusion.model import Denoiser, rhythm_channels
from sediff.diffusion.params import DenoiserParams


def denoiser() -> Denoiser:
    torch.manual_seed(0)
    network = Denoiser(DenoiserParams(width=32, depth=2, heads=2, patch=3), 16)
    for block in network.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.1)
    torch.nn.init.normal_(network.out.weight, std=0.1)
    return network.eval()


def inputs(batch: int = 3):
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(batch, 5, 16, generator=generator)
    mask = torch.tensor([[True, True, True, False, False]] * batch)
    courses = torch.linspace(0, 60, 1000).expand(batch, 3, -1)
    return torch.randn(batch, 10, 125, generator=generator), torch.zeros(batch), rhythm_channels(courses), tokens, mask


def test_every_input_counts():
    network, (z, lam, rhythm, tokens, mask) = denoiser(), inputs()
    base = network(z, lam, rhythm, tokens, mask)
    assert base.shape == z.shape
    for changed in (
        (z + 0.1, lam, rhythm, tokens, mask),
        (z, lam + 1, rhythm, tokens, mask),
        (z, lam, -rhythm, tokens, mask),
        (z, lam, rhythm, tokens + 0.1, mask),
    ):
        assert (network(*changed) - base).abs().max() > 1e-4


def test_masked_tokens_do_not_count():
    network, (z, lam, rhythm, tokens, mask) = denoiser(), inputs()
    other = tokens.clone()
    other[:, 3:] = 99
    assert torch.allclose(network(z, lam, rhythm, tokens, mask), network(z, lam, rhythm, other, mask), atol=1e-6)


def test_a_dropped_condition_is_forgotten():
    network, (z, lam, rhythm, tokens, mask) = denoiser(), inputs()
    dropped = torch.ones(3, dtype=torch.bool)
    first = network(z, lam, rhythm, tokens, mask, dropped)
    second = network(z, lam, -rhythm, tokens + 5, mask, dropped)
    assert torch.allclose(first, second, atol=1e-6)
    assert torch.allclose(network.unconditional(z, lam), first, atol=1e-5)


def test_attention_depends_on_the_query():
    """Over one repeated token it could not; here the tokens differ, and so must the output along time."""
    network, (_, _, _, tokens, mask) = denoiser(), inputs()
    out = network.blocks[0].cross_attention(torch.randn(3, 42, 32), tokens, mask)
    assert out.std(dim=1).min() > 0


def test_rhythm_channels_fold_time_without_loss():
    courses = torch.randn(2, 3, 1000)
    channels = rhythm_channels(courses)
    assert channels.shape == (2, 32, 125)
    unfolded = [part.permute(0, 2, 1).flatten(1) for part in channels.split(8, dim=1)]
    phase, ventricular, with_p = courses.unbind(1)
    for channel, wanted in zip(unfolded, (phase.cos(), phase.sin(), ventricular, with_p), strict=True):
        assert torch.allclose(channel, wanted)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    network, arguments = denoiser(), inputs()
    network.save(tmp_path)
    assert torch.equal(Denoiser.load(tmp_path)(*arguments), network(*arguments))
