"""Who was trained on, told by the denoiser's loss: `python benchmarks/membership.py CLONE [--denoisers FOLDER ...]`.

The attacks by loss of the privacy audit (docs/privacy.md) on a clone's trained denoiser, with the members, strangers,
noise and reference of its evaluation stage, but without synthetic records and judges. So it can be asked as soon as a
denoiser is trained, and of several beside each other, such as those of the cells of an ablation, which one reference
calibrates. `--work` keeps that reference for a later call.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from sediff.diffusion.model import Denoiser
from sediff.encoder.embedding import EmbeddingAccess
from sediff.evaluation.exposure import Denoising, Folders, OwnFits, calibrated
from sediff.evaluation.membership import attack
from sediff.evaluation.strangers import OTHERS, Candidates, of_rows, some_rows
from sediff.params import Params
from sediff.records import read_columns
from sediff.training import Job
from sediff.vocabulary import Vocabulary


def cell(found: dict[str, float]) -> str:
    """A value with its interval."""
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--denoisers", type=Path, nargs="*", default=[])
    parser.add_argument("--work", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    params, data = Params.load(arguments.clone / "params.yaml"), arguments.clone / "data"
    audit, corpus, seed = params.evaluation.audit, data / "corpus", params.reproducibility.seed
    denoisers = arguments.denoisers or [data / "diffusion"]
    parts = (data / name for name in ("simulator", "knowledge", "encoder/conditioner", "autoencoder"))
    folders = Folders(*parts, denoisers[0])
    own = OwnFits(params.simulator.record_steps, params.diffusion.morphology.worst_error)
    denoising = Denoising(folders, own, Vocabulary.load(), EmbeddingAccess(), torch.device("cpu"))
    candidates = Candidates.draw(corpus, audit.records, np.random.default_rng([seed, 7]))
    shown = denoising.data(candidates.rows, candidates.signals)
    columns = read_columns(corpus / "records")
    others = some_rows(columns, OTHERS, audit.reference_steps * audit.batch_size, np.random.default_rng([seed, 9]))
    with tempfile.TemporaryDirectory() as folder:
        job = Job(*[arguments.work or Path(folder)] * 3, seed, torch.device("cpu"))
        reference = denoising.reference(audit, denoising.data(*of_rows(corpus, columns, others)), job)
    expected = denoising.losses(reference, shown, audit.draws, seed)
    print(f"{candidates.members} members, {len(candidates.rows) - candidates.members} strangers\n")
    print("| denoiser | loss, AUC | true positives | calibrated loss, AUC | true positives |\n|---|---|---|---|---|")
    for place in denoisers:
        losses = denoising.losses(Denoiser.load(place), shown, audit.draws, seed)
        cells = [str(place)]
        for scores in (-np.log(losses).mean(1), calibrated(losses, expected)):
            found = attack(candidates.scored(scores), audit.bootstraps, np.random.default_rng([seed, 8]))
            cells += [cell(found["auc"]), cell(found["tpr"])]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
