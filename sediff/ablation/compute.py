"""A cell from its parameters to its figures: train, sample, measure. Each part is kept, so a kill costs a part."""

import tempfile
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sediff.ablation.arms import Plan
from sediff.ablation.ask import Asked
from sediff.ablation.cell import Cell
from sediff.ablation.measure import Measuring
from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.data import load_training_data, without
from sediff.diffusion.train import train_stages
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.embedding import EmbeddingAccess
from sediff.files import read_out, write_json
from sediff.params import Params
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.training import Job
from sediff.vocabulary import Vocabulary

TRAINED = "training.json"  # says that the denoiser beside it is finished


class Bench:
    """What all cells share.

    Args:
        data: the clone's, with corpus, simulator, knowledge, encoder and autoencoder.
        work: denoisers and checkpoints, a folder for each training.
        params: as they are without any arm.
    """

    def __init__(
        self,
        data: Path,
        work: Path,
        plan: Plan,
        params: Params,
        vocabulary: Vocabulary,
        device: torch.device,
        access: EmbeddingAccess,
    ) -> None:
        self.data, self.work, self.plan, self.params = data, work, plan, params
        self.vocabulary, self.device, self.access = vocabulary, device, access

    @cached_property
    def asked(self) -> Asked:
        """The conditions that each cell is asked for."""
        seed, least = self.params.reproducibility.seed, self.params.evaluation.min_records
        return Asked.of(self.data, self.plan.split, self.plan.samples, seed, least)

    @cached_property
    def measure(self) -> Measuring:
        """Figures of signals."""
        seed = self.params.reproducibility.seed
        return Measuring(self.asked, self.data / "encoder/judges", self.params.evaluation, seed)

    def compute(self, cell: Cell) -> dict[str, Any]:
        """The figures of a cell, and the seconds they took, which depend on the machine and what else it does."""
        folder = self.work / cell.trained[:16]
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / TRAINED).exists():
            self._train(cell, folder)
        training = read_out(folder / TRAINED)
        started = time.perf_counter()
        signals = self._sample(cell, folder)
        sampled = time.perf_counter()
        metrics = _rounded(self.measure(signals))
        measured = time.perf_counter()
        seconds = {**training["seconds"], "sampling": sampled - started, "measuring": measured - sampled}
        return {"metrics": metrics, "final": training["final"], "seconds": _rounded(seconds)}

    def _train(self, cell: Cell, folder: Path) -> None:
        params, withheld = cell.params.diffusion, cell.training["withheld"]
        conditioner = Conditioner.load(self.data / "encoder/conditioner").to(self.device)
        decoder = Autoencoder.load(self.data / "autoencoder").to(self.device)
        data = load_training_data(
            params,
            self.data / "corpus",
            self.data / "simulator",
            self.data / "knowledge",
            self.data / "autoencoder",
            conditioner,
            self.vocabulary,
            self.access,
            withheld,
        )
        every = self.params.runtime.checkpoint_every
        job = Job(folder, folder, folder, cell.seed, self.device, cell.trained, every)
        trained = train_stages(params, data, conditioner, decoder, job)["denoiser"]
        # Of the last call alone, so of a training that was interrupted it is the pace, not the time it took.
        step = min(params.batch_size, len(data.latents)) / trained.rate if trained.rate else None
        seconds = {} if step is None else {"step": step, "training": step * params.steps}
        final = {name: curve["y"][-1] for name, curve in trained.curves.items()}
        write_json(folder / TRAINED, {"final": final, "seconds": _rounded(seconds)})
        for checkpoint in folder.glob("*.pt"):
            checkpoint.unlink()

    def _sample(self, cell: Cell, folder: Path) -> NDArray[np.int16]:
        """One record for each condition, its noise a function of (seed, place): (n, 12, 1000), µV."""
        withheld = cell.training["withheld"]
        rows = [replace(row, condition=without(row.condition, withheld)) for row in self.asked.rows]
        with tempfile.TemporaryDirectory(dir=self.work) as name:
            view = Path(name)
            for entry in self.data.iterdir():
                (view / entry.name).symlink_to(entry.resolve())
            (view / "diffusion").unlink(missing_ok=True)
            (view / "diffusion").symlink_to(folder.resolve())
            generator = EcgGenerator.load(view, self.vocabulary, self.device, self.access)
        slots = [Slot(cell.seed, place) for place in range(len(rows))]
        return generator.make(rows, slots, cell.params.synthesis.sampler)


def _rounded(value: Any) -> Any:
    """Six significant digits; what is not a number is left out."""
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items() if not (isinstance(v, float) and not np.isfinite(v))}
    return float(f"{value:.6g}") if isinstance(value, float) else value
