import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.sampling import resized
from sediff.autocast import has_bfloat16
from sediff.diffusion.intervals import Intervals
from sediff.diffusion.params import DenoiserParams, DiffusionParams
from sediff.diffusion.sampler import SAMPLERS
from sediff.ecg import limb_lead_residual
from sediff.encoder.conditions import Condition
from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.params import Params
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.request import RequestRow
from sediff.training.compiling import can_compile

SAMPLER = SamplerParams(steps=2, guidance=1.5, batch_size=4, precision="float32")
ROWS = [RequestRow(Condition("sinus rhythm", 40 + i, "male", 60 + i), ("SR",), f"x/{i}") for i in range(10)]


@pytest.fixture(scope="module")
def generator(models, vocabulary) -> EcgGenerator:
    return EcgGenerator.load(models, vocabulary, torch.device("cpu"), EmbeddingAccess())


@pytest.fixture(scope="module")
def staged(two_stages, vocabulary) -> EcgGenerator:
    return EcgGenerator.load(two_stages, vocabulary, torch.device("cpu"), EmbeddingAccess())


def make(generator, rows, slots, sampler=SAMPLER):
    return generator.make(rows, slots, sampler)


@pytest.mark.parametrize("method", SAMPLERS)
def test_a_record_depends_on_its_slot_and_condition_alone(generator, method):
    """Not on who else is in its batch, nor on its place there."""
    sampler = SAMPLER.model_copy(update={"method": method, "rescale": 0.7})
    slots = [Slot(0, i) for i in range(10)]
    whole = make(generator, ROWS, slots, sampler)
    assert (make(generator, ROWS[:3], slots[:3], sampler) == whole[:3]).all(), "a smaller request"
    order = [7, 2, 9, 0, 4]
    again = make(generator, [ROWS[i] for i in order], [slots[i] for i in order], sampler)
    assert (again == whole[order]).all(), "another order"


def test_so_it_does_where_the_denoiser_sees_a_morphology(staged):
    """Rows that ask for intervals beside rows that do not, and with the pull towards them."""
    sampler = SAMPLER.model_copy(update={"pull": 0.3})
    rows = [
        replace(row, intervals=Intervals(pr=120.0 + 20 * i) if i % 2 else Intervals()) for i, row in enumerate(ROWS)
    ]
    slots = [Slot(0, i) for i in range(10)]
    whole = make(staged, rows, slots, sampler)
    assert (make(staged, rows[:3], slots[:3], sampler) == whole[:3]).all(), "a smaller request"
    order = [7, 2, 9, 0, 4]
    again = make(staged, [rows[i] for i in order], [slots[i] for i in order], sampler)
    assert (again == whole[order]).all(), "another order"


def test_intervals_and_the_pull_towards_them_each_count(staged):
    base = make(staged, ROWS[:1], [Slot(0, 0)])
    asked = [replace(ROWS[0], intervals=Intervals(qrs=140.0))]
    wide = make(staged, asked, [Slot(0, 0)])
    assert (wide != base).mean() > 0.1
    pulled = SAMPLER.model_copy(update={"pull": 0.5})
    assert (make(staged, asked, [Slot(0, 0)], pulled) != wide).mean() > 0.1
    assert (make(staged, ROWS[:1], [Slot(0, 0)], pulled) == base).all(), "where nothing is asked there is no pull"


def test_models_without_a_morphology_refuse_intervals_in_a_sentence(generator):
    with pytest.raises(UserError, match=r"PR, QRS and QT can be asked of models with a morphology alone: set .*\.$"):
        make(generator, [replace(ROWS[0], intervals=Intervals(qt=400.0))], [Slot(0, 0)])


def test_a_profile_is_timed_with_the_morphology_that_was_trained(two_stages, vocabulary, tmp_path):
    denoiser = DenoiserParams(morphology=True)
    params = Params.load().model_copy(update={"diffusion": DiffusionParams(denoiser=denoiser)})
    resized(two_stages, params, "smoke", tmp_path)
    timed = EcgGenerator.load(tmp_path, vocabulary, torch.device("cpu"), EmbeddingAccess())
    assert timed.denoiser.params.width == 48 and timed.morphologies is not None
    assert make(timed, ROWS[:1], [Slot(0, 0)]).shape == (1, 12, 1000)


def test_seed_index_and_try_each_give_another_record(generator):
    row = [ROWS[0]]
    base = make(generator, row, [Slot(0, 0)])
    for slot in (Slot(1, 0), Slot(0, 1), Slot(0, 0, 1)):
        assert (make(generator, row, [slot]) != base).mean() > 0.5


def test_sampler_guidance_and_rescaling_each_count(generator):
    slots = [Slot(0, 0)]
    base = make(generator, ROWS[:1], slots)
    for change in ({"method": "heun"}, {"guidance": 3.0}, {"rescale": 1.0}, {"steps": 3}):
        assert (make(generator, ROWS[:1], slots, SAMPLER.model_copy(update=change)) != base).any(), change


def test_autocast_to_bfloat16_is_close_and_as_repeatable(generator):
    slots, half = [Slot(0, i) for i in range(10)], SAMPLER.model_copy(update={"precision": "bfloat16"})
    exact, rounded = make(generator, ROWS, slots), make(generator, ROWS, slots, half)
    assert (exact != rounded).any() == has_bfloat16(torch.device("cpu")), "it was rounded, where the processor can"
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.99
    assert (make(generator, ROWS[::-1], slots[::-1], half)[::-1] == rounded).all()


def test_limb_leads_hold_by_construction(generator):
    signals = make(generator, ROWS, [Slot(0, i) for i in range(10)])
    residual = limb_lead_residual(signals)
    assert (residual[:, 0] == 0).all()
    assert np.abs(residual).max() <= 0.5


MAKE = """
import sys
from pathlib import Path
import numpy as np
import torch
from tests.synthesis import test_generator as own
from sediff.encoder.embedding import EmbeddingAccess
from sediff.synthesis.generator import EcgGenerator
from sediff.vocabulary import Vocabulary
torch.set_num_threads(1)
models = EcgGenerator.load(Path(sys.argv[1]), Vocabulary.load(), torch.device("cpu"), EmbeddingAccess())
rows, slots = own.ROWS[int(sys.argv[3]) :], [own.Slot(0, index) for index in range(int(sys.argv[3]), 10)]
np.save(sys.argv[2], [own.make(models, rows, slots, sampler) for sampler in (own.SAMPLER, own.COMPILED)])
"""
COMPILED = SAMPLER.model_copy(update={"compiled": True})


@pytest.mark.slow  # it compiles for two shapes in two processes
@pytest.mark.skipif(not can_compile(), reason="torch.compile takes a C++ compiler and Python's headers")
def test_a_compiled_sampler_makes_the_same_records_to_a_few_microvolts(two_stages, tmp_path):
    """And its own bytes again in another batch of another process, as one has that goes on with a dataset."""
    made = []
    for first in (0, 3):
        path = tmp_path / f"{first}.npy"
        subprocess.run([sys.executable, "-c", MAKE, two_stages, path, str(first)], check=True)
        made.append(np.load(path))
    (plain, compiled), (_, again) = made
    assert np.abs(compiled.astype(int) - plain).max() <= 3, "µV"
    assert (again == compiled[3:]).all()


def test_a_compiled_sampler_without_a_compiler_says_what_to_install(staged, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    staged.__dict__.pop("_compiled", None)
    with pytest.raises(UserError, match=r"synthesis\.sampler: to compile it takes no-such-compiler and Python\.h"):
        make(staged, ROWS[:1], [Slot(0, 0)], COMPILED)
