import numpy as np
import pytest
import torch

from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.model import Denoiser
from sediff.diffusion.params import DenoiserParams
from sediff.ecg import limb_lead_residual
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition
from sediff.records import read_columns, read_signals
from sediff.simulator.morphology import ALL, Morphology
from sediff.simulator.rhythm import RHYTHMS, Dispersion, RhythmModel
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.request import RequestRow
from sediff.synthesis.synthesize import synthesize

SAMPLER = SamplerParams(steps=2, guidance=1.5, batch_size=4, precision="float32")
ROWS = [RequestRow(Condition("sinus rhythm", 40 + i, "male", 60 + i), ("SR",), f"x/{i}") for i in range(10)]


@pytest.fixture(scope="module")
def generator(vocabulary) -> EcgGenerator:
    """Networks of random weights: how they were trained does not matter here."""
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserParams(width=24, depth=1, heads=2, patch=5), 16)
    torch.nn.init.normal_(denoiser.out.weight, std=0.1)
    zeros = torch.zeros(1, 8, 5)
    return EcgGenerator(
        Conditioner(len(vocabulary.codes), 16, 64),
        Autoencoder(16, 2),
        denoiser,
        Morphology((ALL,), (1,), zeros, zeros, zeros + 0.1),
        RhythmModel({rhythm: Dispersion([200.0], [[0.02, 0.04]], 0.1, 30) for rhythm in RHYTHMS}),
        vocabulary,
        "model",
        torch.device("cpu"),
    )


def make(generator, rows, slots):
    return generator.make(rows, slots, SAMPLER)


def test_a_record_depends_on_its_slot_and_condition_alone(generator):
    slots = [Slot(0, i) for i in range(10)]
    whole = make(generator, ROWS, slots)
    assert (make(generator, ROWS[:3], slots[:3]) == whole[:3]).all(), "a smaller request"
    order = [7, 2, 9, 0, 4]
    assert (make(generator, [ROWS[i] for i in order], [slots[i] for i in order]) == whole[order]).all(), "another order"


def test_seed_index_and_try_each_give_another_record(generator):
    row = [ROWS[0]]
    base = make(generator, row, [Slot(0, 0)])
    for slot in (Slot(1, 0), Slot(0, 1), Slot(0, 0, 1)):
        assert (make(generator, row, [slot]) != base).mean() > 0.5


def test_limb_leads_hold_by_construction(generator):
    signals = make(generator, ROWS, [Slot(0, i) for i in range(10)])
    residual = limb_lead_residual(signals)
    assert (residual[:, 0] == 0).all()
    assert np.abs(residual).max() <= 0.5


def test_shards_go_on_where_they_stopped(generator, tmp_path, monkeypatch):
    monkeypatch.setattr("sediff.synthesis.synthesize.ROWS_PER_GROUP", 4)

    def run(name: str) -> bytes:
        out, report, work = (tmp_path / name / part for part in ("out", "report", "work"))
        for folder in (out, report, work):
            folder.mkdir(parents=True, exist_ok=True)
        synthesize("evaluation", ROWS, SAMPLER, generator, out, report, work, 0, "print")
        return b"".join(path.read_bytes() for path in sorted((out / "records").glob("*")))

    whole = run("a")
    run("b")
    (tmp_path / "b" / "work" / "shard-001.parquet").unlink()
    (tmp_path / "b" / "work" / ".shard-002.parquet.half").write_bytes(b"half")
    assert run("b") == whole
    rows = read_columns(tmp_path / "a/out/records")
    assert rows["index"].to_list() == list(range(10))
    assert rows["record_id"][3] == "evaluation/000003"
    assert rows["fingerprint"].unique().to_list() == ["print"]
    assert read_signals(tmp_path / "a/out/records").shape == (10, 12, 1000)
