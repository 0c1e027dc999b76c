"""The device that computes, set up so that it gives the same numbers each time."""

import os
from typing import TYPE_CHECKING

from sediff.errors import UserError
from sediff.params import Params

if TYPE_CHECKING:
    import torch


def computing_device(params: Params) -> "tuple[torch.device, dict[str, str]]":
    """The device that computes, and all about it that the bytes depend on."""
    threads = params.reproducibility.threads
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    wanted = params.runtime.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device is cuda, but torch sees no GPU: set it to auto or cpu.")
    if wanted != "cpu" and torch.cuda.is_available():
        rank, processes = int(os.environ.get("LOCAL_RANK", "0")), params.reproducibility.training_processes
        if processes > torch.cuda.device_count():
            raise UserError(
                f"reproducibility.training_processes is {processes}, but torch sees {torch.cuda.device_count()} GPUs."
            )
        torch.cuda.set_device(rank)
        described = {"device": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
        return torch.device("cuda", rank), {**described, "torch": torch.__version__}
    capability = torch.backends.cpu.get_cpu_capability()
    return torch.device("cpu"), {"device": f"CPU {capability}", "torch": torch.__version__, "threads": str(threads)}


def alike(gpu: "torch.device") -> tuple[str, ...]:
    """The GPUs of this machine that give the same numbers as one of them, itself the first."""
    import torch

    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    first = gpu.index or 0
    others = [number for number, name in enumerate(names) if name == names[first] and number != first]
    return tuple(f"cuda:{number}" for number in (first, *others))
