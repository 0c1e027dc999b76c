"""Models of random weights on disk, with the corpus and the knowledge they go with."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.model import Denoiser
from sediff.diffusion.morphology import MorphologyModel
from sediff.diffusion.params import DenoiserParams, MorphologyParams
from sediff.diffusion.simulated import bumps_of
from sediff.ecg import INDEPENDENT_LEADS
from sediff.encoder.conditioner import Conditioner
from sediff.files import write_json
from sediff.knowledge.answers import AnswerStore
from sediff.knowledge.build import build_knowledge
from sediff.knowledge.measures import SCALARS, VOLTAGES
from sediff.knowledge.params import KnowledgeParams
from sediff.knowledge.profiles import FITS
from sediff.simulator.morphology import ALL, OWN
from sediff.simulator.ode import WAVES, Waves, omega_of
from sediff.simulator.rhythm import RHYTHMS, RhythmFit, RhythmModel
from sediff.synthesis.generator import WEIGHTS
from sediff.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]
STATEMENTS = (*[["NORM", "SR"]] * 24, *[["AFIB", "LVH"]] * 8, *[["CLBBB", "SR"]] * 5, ["IMI", "SR"], ["1AVB"], ["PVC"])


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)  # knowledge/ is read from there


@pytest.fixture(scope="session")
def models(tmp_path_factory, vocabulary) -> Path:
    """The folder `data` of a finished run; tests that change it copy it first."""
    data = tmp_path_factory.mktemp("models") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        _corpus(data)
        _simulator(data / "simulator")
        knowledge, report = data / "knowledge", data.parent / "reports"
        knowledge.mkdir()
        report.mkdir()
        store = AnswerStore(data.parent / "answers")
        params = KnowledgeParams(neighbours=5)
        build_knowledge(params, data / "corpus", data / "simulator", [], vocabulary, knowledge, report, store, None)
    _networks(data, vocabulary)
    for stage in ("corpus", "simulator", "knowledge", *(folder for folder, _ in WEIGHTS)):
        write_json(data / stage / "manifest.json", {"fingerprint": stage, "parameters": {"corpus.sources": []}})
    return data


def _corpus(data: Path) -> None:
    """Forty training records of six sets of statements, and two test records."""
    rows = [
        {
            "record_id": f"cohort/{number:05d}",
            "patient_id": f"cohort/{number:05d}",
            "source": "cohort",
            "recorded_at": "2020-01-01T12:00:00",
            "split": "train" if number < len(STATEMENTS) else "test",
            "age": 40.0 + number,
            "sex": ("male", "female")[number % 2],
            "statements": codes,
            "report": Vocabulary.load().describe(codes),
            "heart_rate": 60.0 + number,
            **dict.fromkeys((name for name in SCALARS if name != "heart_rate"), 100.0),
            **{name: [1.0] * len(leads) for name, leads in VOLTAGES.items()},
        }
        for number, codes in enumerate([*STATEMENTS, ["NORM", "SR"], ["AFIB"]])
    ]
    (data / "corpus/records").mkdir(parents=True)
    table = pl.DataFrame(rows, schema_overrides=dict.fromkeys(("age", *SCALARS), pl.Float32))
    table.write_parquet(data / "corpus/records/shard-000.parquet")


def _simulator(folder: Path) -> None:
    folder.mkdir()
    RhythmModel({rhythm: RhythmFit([200.0], [[0.02, 0.04]], [[1.0, 1.0]], 0.1, 30) for rhythm in RHYTHMS}).save(folder)
    pl.DataFrame([], schema={"record_id": pl.String, **FITS}).write_parquet(folder / "records.parquet")
    values = {"statement": ALL, "source": OWN, "count": 1, "fitted_at": 60.0, "theta": 0.0, "a": 0.0, "b": 0.1}
    row = pl.DataFrame({**values, "offset_exponent": 0.0, "width_exponent": 0.0})
    pl.concat([row] * len(INDEPENDENT_LEADS) * len(WAVES)).write_parquet(folder / "morphology.parquet")


def _networks(data: Path, vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserParams(width=24, depth=1, heads=2, patch=5, morphology=False), 16)
    torch.nn.init.normal_(denoiser.out.weight, std=0.1)
    for folder, _ in WEIGHTS:
        (data / folder).mkdir(parents=True)
    Conditioner(len(vocabulary.codes), 16, 64).save(data / "encoder/conditioner")
    Autoencoder(16, 2).save(data / "autoencoder")
    denoiser.save(data / "diffusion")


@pytest.fixture(scope="session")
def two_stages(models, tmp_path_factory) -> Path:
    """The same run whose denoiser sees a morphology."""
    data = shutil.copytree(models, tmp_path_factory.mktemp("two-stages") / "data")
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserParams(width=24, depth=1, heads=2, patch=5, morphology=True), 16)
    for weight in (denoiser.out.weight, denoiser.simulated.weight):
        torch.nn.init.normal_(weight, std=0.1)
    denoiser.save(data / "diffusion")
    drawn = MorphologyModel(MorphologyParams(width=16, depth=1), 16)
    drawn.mean.copy_(usual_bumps().flatten(1))
    torch.nn.init.normal_(drawn.components, std=1e-3)
    drawn.save(data / "diffusion")
    return data


def usual_bumps() -> torch.Tensor:
    """A beat of 70 bpm with every wave, (2, 8, 220) in mV."""
    theta, width = torch.tensor([-1.3, -0.22, 0.0, 0.22, 2.0]), torch.tensor([0.16, 0.06, 0.07, 0.06, 0.35])
    heights, rate = torch.tensor([0.15, -0.1, 1.2, -0.25, 0.35]), torch.tensor([70.0])
    a = heights * omega_of(rate) / width**2
    return bumps_of(Waves(*(values.expand(1, 8, 5) for values in (theta, a, width))), rate)[0]
