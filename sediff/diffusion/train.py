"""The diffusion stage: a denoiser of the latents, informed by the simulator."""

from pathlib import Path

import torch

from sediff.autoencoder.model import Autoencoder
from sediff.diffusion.data import TrainingData, load_training_data
from sediff.diffusion.loss import DiffusionLoss
from sediff.diffusion.model import Denoiser
from sediff.diffusion.morphology import train_morphology
from sediff.diffusion.params import DiffusionParams
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.embedding import EmbeddingAccess
from sediff.errors import UserError
from sediff.files import write_json
from sediff.progress import log_line
from sediff.seeds import seed_of
from sediff.training import Job, Schedule, Trained, train
from sediff.vocabulary import Vocabulary

RECORDS_FOR_SCALE = 512


def train_diffusion(
    params: DiffusionParams,
    corpus: Path,
    simulator: Path,
    knowledge: Path,
    encoder: Path,
    autoencoder: Path,
    vocabulary: Vocabulary,
    job: Job,
    access: EmbeddingAccess,
) -> str:
    """Train on the training records; write `denoiser.*`, and of two stages `morphology.*`, into the job's `out`."""
    conditioner = Conditioner.load(encoder).to(job.device)
    decoder = Autoencoder.load(autoencoder).to(job.device)
    data = load_training_data(params, corpus, simulator, knowledge, autoencoder, conditioner, vocabulary, access)
    trained = train_stages(params, data, conditioner, decoder, job)
    averaged, curves = trained["denoiser"].network, trained["denoiser"].curves
    write_json(job.report / "curves.json", {name: of.curves for name, of in trained.items()})
    final = {name: curve["y"][-1] for name, curve in curves.items()}
    parameters = sum(weight.numel() for weight in averaged.parameters())
    steps = job.steps(params.steps)
    metrics = {"parameters": parameters, "records": len(data.latents), "steps": steps, "final": final}
    write_json(job.report / "metrics.json", metrics)
    return f"denoiser of {parameters / 1e6:.1f} M weights, {steps} steps, loss {final['denoising']:.3f}"


def train_stages(
    params: DiffusionParams, data: TrainingData, conditioner: Conditioner, decoder: Autoencoder, job: Job
) -> dict[str, Trained]:
    """Train p(η | c), where the denoiser sees η, and the denoiser; write both into the job's `out`."""
    stages = {}
    if data.simulated is not None:
        known = data.simulated.known
        if not len(known):
            raise UserError(
                "No training record has a morphology of its own that is good enough: raise "
                "diffusion.morphology.worst_error, or set diffusion.denoiser.morphology to false."
            )
        records, conditions, dropout = data.simulated.rows(known), data.conditions.rows(known), params.condition_dropout
        stages["morphology"] = train_morphology(params.morphology, records, conditions, conditioner, dropout, job)
    stages["denoiser"] = train_denoiser(params, data, conditioner, decoder, job)
    for stage in stages.values():
        stage.network.cpu().save(job.out)
    return stages


def train_denoiser(
    params: DiffusionParams, data: TrainingData, conditioner: Conditioner, decoder: Autoencoder, job: Job
) -> Trained:
    """Train a denoiser on the job's device, where conditioner and decoder are; only checkpoints are written."""
    torch.manual_seed(seed_of(job.seed, "denoiser"))
    denoiser = Denoiser(params.denoiser, conditioner.config["width"])
    job.begin(denoiser, "denoiser")
    loss = DiffusionLoss(params, conditioner, decoder, data.latents[:RECORDS_FOR_SCALE].to(job.device))
    schedule = Schedule(
        job.steps(params.steps),
        min(params.batch_size, len(data.latents)),
        params.learning_rate,
        average=params.average,
        precision=params.precision,
        compiled=params.compiled,
    )
    trained = train(denoiser, data.rows, loss, len(data.latents), schedule, job, "denoiser", loss.gradients)
    if trained.rate:
        added = loss.physics_seconds(data.rows(torch.arange(schedule.batch_size)).to(job.device))
        log_line(f"denoiser: the physics terms take {added * trained.rate / schedule.batch_size:.1%} of a step")
    return trained
