"""ECGs a second: `python benchmarks/sampling.py [--data data] [--profile NAME] [--compiled] [--ecgen PYTHON]`.

With the models below `--data` and the settings of params.yaml, one process of one thread, to Parquet: from conditions
of the corpus, whose experience is known, and from the same as texts with age, sex and rate, which are parsed and for
which similar patients are sought, in each round anew and with the search's index made first; a text, age and sex that
come twice are answered once. Beside it, in the same run, the 1000-step DDPM loop of the same network, guidance and
batch. Of that loop 25 and 125 steps are run, and the other 875 are taken to last as long as the last 100 did. The share
of the arithmetic rate is that of the denoiser and decoder, as torch counts their operations, against a square matrix
product of the same precision. On a CPU, processor time is counted, which other work on the machine does not lengthen.
Our sampling, the product and the loop take turns.

`--profile` takes the denoiser's size and the sampler of a profile, with fresh weights, on which the time does not
depend, and the clone's p(η | c). `--compiled` measures sampling once more with the denoiser compiled. `--ecgen` names
the interpreter of an environment of its own that has ecgen (`pip install ecgen==1.1`): its latent and its DiT diffusion
at their defaults, without condition, 12 leads, with fresh weights, of 1000 samples, or 1024 where its defaults do not
take 1000.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from sediff.autocast import has_bfloat16
from sediff.configure import PROFILES
from sediff.diffusion.model import Denoiser
from sediff.encoder.conditioner import Conditioner
from sediff.encoder.conditions import Condition
from sediff.encoder.embedding import EmbeddingAccess
from sediff.params import Params
from sediff.pseudonyms import Pseudonyms
from sediff.records import ROWS_PER_GROUP, write_table
from sediff.synthesis.generator import EcgGenerator, Slot
from sediff.synthesis.params import SamplerParams
from sediff.synthesis.plan import Planner
from sediff.synthesis.schema import LikeRequest, PromptRequest
from sediff.synthesis.synthesize import THREADS, Cohort, Dataset, Maker
from sediff.vocabulary import Vocabulary

FEW, SOME, ALL = 25, 125, 1000  # steps of the DDPM loop
PRODUCT = 2048  # rows and columns of the matrix product
THREADS_OF_LIBRARIES = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(THREADS))
ECGEN = """
import time, torch
from ecgen.families.continuous.latent import LatentDiffusionModule
from ecgen.families.continuous.module import DiffusionModule
from ecgen.models import VAEConfig
torch.set_num_threads({threads})
vae = dict(vars(VAEConfig(in_channels=12, latent_type="spatial")))
latent = LatentDiffusionModule(autoencoder_config=vae, latent_scale=1.0)
dit = DiffusionModule(backbone={{"name": "dit1d"}})
for name, model in (("latent diffusion", latent), ("DiT diffusion", dit)):
    model.sample(2, 1024 if model is latent else 1000, steps=2)
    started = {clock}()
    length = 1024 if model is latent else 1000
    assert model.sample({records}, length).shape == ({records}, 12, length)
    print(name, model.config.sample_steps, {records} / ({clock}() - started), sep="; ")
"""


def best(function: Callable[[], object], rounds: int, clock: Callable[[], float]) -> float:
    """The shortest of some rounds, in s."""
    times = []
    for _ in range(rounds):
        started = clock()
        function()
        times.append(clock() - started)
    return min(times)


def product_rate(device: torch.device, precision: str, clock: Callable[[], float]) -> float:
    """Operations a second of a square matrix product."""
    a, b = (torch.randn(PRODUCT, PRODUCT, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    return 2 * PRODUCT**3 / best(lambda: float((a @ b)[0, 0]), 5, clock)  # to float: waits for the device


def ecgen_rates(python: Path, records: int, device: str) -> list[tuple[str, int, float]]:
    """Name, steps and ECGs a second of ecgen's samplers."""
    clock = "time.process_time" if device == "cpu" else "time.perf_counter"
    program = [str(python), "-c", ECGEN.format(threads=THREADS, clock=clock, records=records)]
    done = subprocess.run(program, check=True, capture_output=True, text=True, env=os.environ | THREADS_OF_LIBRARIES)
    lines = [line.split("; ") for line in done.stdout.splitlines()]
    return [(name, int(steps), float(rate)) for name, steps, rate in lines]


def resized(data: Path, params: Params, profile: str, folder: Path) -> SamplerParams:
    """Make `folder` look like `data`, but with a profile's denoiser of fresh weights; gives the profile's sampler."""
    sizes = yaml.safe_load((PROFILES / f"{profile}.yaml").read_text(encoding="utf-8"))
    for part in data.resolve().iterdir():
        if part.name != "diffusion":
            (folder / part.name).symlink_to(part)
    (folder / "diffusion").mkdir()
    for part in (data / "diffusion").glob(
        "morphology.*"
    ):  # p(η | c) as it was trained: fresh, it draws no heart's beat
        (folder / "diffusion" / part.name).symlink_to(part.resolve())
    size = params.diffusion.denoiser.model_copy(update=sizes["diffusion"]["denoiser"])
    Denoiser(size, Conditioner.load(data / "encoder/conditioner").config["width"]).save(folder / "diffusion")
    return params.synthesis.sampler.model_copy(update=sizes["synthesis"]["sampler"])


def as_prompt(condition: Condition) -> PromptRequest:
    """What a user would write for a condition."""
    return PromptRequest(
        text=condition.text, age=condition.age, sex=condition.sex, heart_rate=condition.heart_rate, records=1
    )


def main() -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--records", type=int, default=ROWS_PER_GROUP)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", choices=sorted(path.stem for path in PROFILES.glob("*.yaml")))
    parser.add_argument("--compiled", action="store_true", help="the denoiser compiled too")
    parser.add_argument("--ecgen", type=Path, metavar="PYTHON", help="interpreter that has ecgen")
    parser.add_argument("--ecgen-records", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    clock = time.process_time if arguments.device == "cpu" else time.perf_counter
    loaded, vocabulary, count = Params.load(), Vocabulary.load(), arguments.records
    with tempfile.TemporaryDirectory() as name:
        folder, data, params = Path(name), arguments.data, loaded.synthesis.sampler
        if arguments.profile:
            data = folder / "data"
            data.mkdir()
            params = resized(arguments.data, loaded, arguments.profile, data)
        generator = EcgGenerator.load(data, vocabulary, torch.device(arguments.device), EmbeddingAccess())
        precision = params.precision if has_bfloat16(generator.device) else "float32"
        plan = Planner(data, vocabulary, Pseudonyms(), 0).request([LikeRequest(like="corpus", records=count)])
        rows, slots = plan.rows(0, count), [Slot(0, index) for index in range(count)]
        texts = [as_prompt(row.condition) for row in rows]
        access, names, request = EmbeddingAccess(), Pseudonyms(), Cohort("train", count)
        own = Dataset("a", request, params, None, 0, "", data, (arguments.device,), access, names, folder, "", count)
        maker = Maker(own, generator, plan, None)
        batch, batch_slots = rows[: params.batch_size], slots[: params.batch_size]
        tasks: dict[str, Callable[[], object]] = {
            "texts": lambda: write_table(
                Maker(own, generator, Planner(data, vocabulary, Pseudonyms(), 0).request(texts), None).shard(0),
                folder / "b.parquet",
            ),
            "whole": lambda: write_table(maker.shard(0), folder / "a.parquet"),
            "sampling": lambda: generator.make(rows, slots, params),
        }
        for steps in (FEW, SOME):
            slow = params.model_copy(update={"method": "ddpm", "steps": steps})
            tasks[str(steps)] = partial(generator.make, batch, batch_slots, slow)
        took: dict[str, list[float]] = {task: [] for task in tasks}
        product = 0.0
        for _ in range(arguments.rounds):
            product = max(product, product_rate(generator.device, precision, clock))
            for task, function in tasks.items():
                took[task].append(best(function, 1, clock))
        with FlopCounterMode(display=False) as counter:
            generator.make(batch, batch_slots, params)
        if arguments.compiled:
            faster = params.model_copy(update={"compiled": True})
            compiling = best(lambda: generator.make(rows, slots, faster), 1, clock)
            compiled = best(lambda: generator.make(rows, slots, faster), arguments.rounds, clock)
    operations = counter.get_total_flops() * -(-count // params.batch_size)
    text, whole, sampling, few, some = (min(took[task]) for task in tasks)
    ddpm = (some + (ALL - SOME) * (some - few) / (SOME - FEW)) / len(batch)
    size = f"width {generator.denoiser.params.width}, depth {generator.denoiser.params.depth}"
    print(f"{params.method}, {params.steps} steps, guidance {params.guidance:g}, {precision}, {THREADS} thread")
    print(f"denoiser of {size}; conditions to Parquet: {count / whole:.1f} ECGs/s; to signals {count / sampling:.1f}")
    print(f"texts to Parquet, {len({prompt.text for prompt in texts})} of them different: {count / text:.1f} ECGs/s")
    print(f"DDPM loop of {ALL} steps: {1 / ddpm:.2f} ECGs/s; {ddpm * count / whole:.0f} times slower")
    print(f"denoiser and decoder: {operations / sampling / product:.0%} of a product's {product / 1e9:.0f} GFLOP/s")
    if arguments.compiled:
        first = compiling - compiled
        print(f"compiled: to signals {count / compiled:.1f} ECGs/s, after {first:.0f} s more for the first time")
    if arguments.ecgen:
        for name, steps, rate in ecgen_rates(arguments.ecgen, arguments.ecgen_records, arguments.device):
            print(f"ecgen, {name}, {steps} steps: {rate:.2f} ECGs/s; {count / whole / rate:.1f} times slower")


if __name__ == "__main__":
    main()
