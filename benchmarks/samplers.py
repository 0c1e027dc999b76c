"""Quality over samplers, steps and guidance: `python benchmarks/samplers.py CLONE SETTING [SETTING ...]`.

A SETTING is method:steps:guidance, as `dpm-solver++:8:1.1`. For each, one record is made for each of `--records`
conditions of validation patients, from the same noise, and measured as a cell of the ablation is, beside real records;
the processor time of a record is told too, of which a step is the larger part. `--denoiser` takes the weights of
another folder, such as those of a cell. Test patients are not looked at, so a setting may be chosen by it.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from sediff.ablation.ask import Asked
from sediff.ablation.measure import Measuring
from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import Params
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import SamplerParams
from sediff.vocabulary import Vocabulary

SPLIT = "validation"
HEADER = "| method | steps | guidance | KID | FD | rhythm × floor | AUROC / real | coverage | deviation | ms an ECG |"


def seen(data: Path, denoiser: Path, folder: Path) -> Path:
    """`data` with another denoiser, as links in a folder."""
    for part in data.resolve().iterdir():
        (folder / part.name).symlink_to(denoiser.resolve() if part.name == "diffusion" else part)
    return folder


def row(setting: SamplerParams, found: dict, milliseconds: float) -> str:
    """One line of the table."""
    deviation = found["deviation"].values()
    columns = [
        setting.method,
        setting.steps,
        f"{setting.guidance:g}",
        f"{found['kid']:.3g}",
        f"{found['fd']:.3f}",
        f"{found['rhythm_over_floor']:.2f}",
        f"{found['auroc'] / found['auroc_real']:.3f}",
        f"{found['coverage']:.3f}",
        f"{min(deviation):.3f} to {max(deviation):.3f}",
        f"{milliseconds:.1f}",
    ]
    return f"| {' | '.join(map(str, columns))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("settings", nargs="+", metavar="SETTING")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--denoiser", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    params, data = Params.load(arguments.clone / "params.yaml"), arguments.clone / "data"
    seed = params.reproducibility.seed
    asked = Asked.of(data, SPLIT, arguments.records, seed, params.evaluation.min_records)
    measure = Measuring(asked, data / "encoder/judges", params.evaluation, seed)
    with tempfile.TemporaryDirectory() as name:
        models = seen(data, arguments.denoiser or data / "diffusion", Path(name))
        generator = EcgGenerator.load(models, Vocabulary.load(), torch.device("cpu"), EmbeddingAccess())
        slots = [Slot(seed, place) for place in range(len(asked.rows))]
        rule = "|---" * HEADER.count(" | ") + "|---|"
        print(f"{len(asked.rows)} conditions of the {SPLIT} split.\n\n{HEADER}\n{rule}", flush=True)
        for setting in arguments.settings:
            method, steps, guidance = setting.split(":")
            changed = {"method": method, "steps": int(steps), "guidance": float(guidance)}
            sampler = SamplerParams(**params.synthesis.sampler.model_dump() | changed)
            started = time.process_time()
            signals = generator.make(asked.rows, slots, sampler)
            taken = 1000 * (time.process_time() - started) / len(signals)
            print(row(sampler, measure(signals), taken), flush=True)


if __name__ == "__main__":
    main()
