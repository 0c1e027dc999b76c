"""The environment that a stage ran in: what is installed, on what it computed, and how.

It is kept beside the record of each run, apart from the fingerprint, which has the hash of constraints.txt, the device,
and versions on which bytes depend where others are installed than that file says. It names no host, person or folder,
since `runs/` is published.
"""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

FILE = "environment.json"
SCHEMA_VERSION = 1
PINS = Path("constraints.txt")
CPUS = Path("/proc/cpuinfo")
NAMED = 5  # packages in a sentence
NUMERIC = (  # packages on which bytes depend
    *("accelerate", "matplotlib", "numpy", "pillow", "polars", "polars-runtime-32", "pyarrow", "safetensors"),
    *("scikit-learn", "scipy", "torch", "wfdb"),
)
SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")
DRIVER_LIMIT = 10.0  # s


def environment(root: Path, device: "torch.device | None" = None) -> dict[str, Any]:
    """Python, system, processor, every installed distribution, and which of them are not as `PINS` has them.

    Args:
        root: the project's folder.
        device: on which torch computes, whose settings are told; None where a stage computes with none.
    """
    versions = installed()
    computing = {"computing": _computing(device)} if device is not None else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "python": {"implementation": platform.python_implementation(), "version": platform.python_version()},
        "system": {"name": platform.system(), "kernel": platform.release(), "machine": platform.machine()},
        "cpu": {"model": _processor(), "count": os.cpu_count(), "usable": _usable()},
        "variables": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "distributions": versions,
        "differs": _differs(versions, pins(root)),
        **computing,
    }


def installed() -> dict[str, str]:
    """Version of each distribution that Python finds, by its normalised name (PEP 503)."""
    found: dict[str, str] = {}
    for distribution in distributions():
        if name := distribution.metadata["Name"]:
            found.setdefault(_normalised(name), distribution.version)  # the first on the path is the one imported
    return dict(sorted(found.items()))


def pins(root: Path) -> dict[str, str] | None:
    """Versions that a project's constraints.txt asks for, by normalised name; None where it has no such file."""
    path = root / PINS
    if not path.is_file():
        return None
    pairs = (line.partition("#")[0].partition("==") for line in path.read_text(encoding="utf-8").splitlines())
    return {_normalised(name.strip()): version.strip() for name, equal, version in pairs if equal}


def what_differs(root: Path) -> str:
    """A sentence that names what is installed in another version than a project asks for; "" where nothing is."""
    differs = _differs(installed(), pins(root))
    if not differs:
        return ""
    named = _named(differs)[:NAMED]
    rest = f"; and {len(differs) - NAMED} more" if len(differs) > NAMED else ""
    return (
        f"warning: what is installed is not what {PINS} says ({'; '.join(named)}{rest}), so results may differ from "
        f"those of others: `pip install -c {PINS} -e '.[dev]'` mends it."
    )


def unlike_pins(root: Path) -> dict[str, str]:
    """Installed versions of packages on which bytes depend, as far as a project's constraints.txt has others.

    That file's own hash is part of a fingerprint, so with these it covers what is installed; as a rule there are none.
    """
    differs = _differs(installed(), pins(root)) or {}
    return {name: differs[name]["installed"] for name in NUMERIC if name in differs}


def in_short(environment: dict[str, Any]) -> dict[str, Any]:
    """What an audit tells of it; of torch the build too, 2.13.0+cpu, which not every distribution says."""
    python, differs = environment["python"], environment["differs"]
    computing, versions = environment.get("computing", {}), environment["distributions"]
    build = {"torch": computing["torch"]} if "torch" in computing else {}
    other = "not known: it was not there" if differs is None else "; ".join(_named(differs)) or "none"
    return {
        python["implementation"]: python["version"],
        **{name: versions[name] for name in ("torch", "numpy") if name in versions},
        **build,
        "distributions": len(versions),
        f"other than in {PINS}": other,
    }


def _differs(versions: dict[str, str], pinned: dict[str, str] | None) -> dict[str, dict[str, str]] | None:
    """Distributions in another version than is pinned; 2.13.0+cpu is 2.13.0, as for pip (PEP 440)."""
    if pinned is None:
        return None
    return {
        name: {"installed": versions[name], "pinned": version}
        for name, version in sorted(pinned.items())
        if name in versions and version not in (versions[name], versions[name].partition("+")[0])
    }


def _named(differs: dict[str, dict[str, str]]) -> list[str]:
    return [f"{name} {found['installed']}, not {found['pinned']}" for name, found in differs.items()]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _processor() -> str:
    """The processor's model, as Linux names it, else as Python does."""
    text = CPUS.read_text(encoding="utf-8", errors="replace") if CPUS.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _usable() -> int | None:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _computing(device: "torch.device") -> dict[str, Any]:
    """What torch computes on, and the settings on which the last digits depend."""
    import torch

    return {
        "torch": torch.__version__,
        "device": device.type,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn": {
            "version": torch.backends.cudnn.version(),
            "deterministic": torch.backends.cudnn.deterministic,
            "benchmark": torch.backends.cudnn.benchmark,
            "allow_tf32": torch.backends.cudnn.allow_tf32,
        },
        **({"gpu": _gpu(device)} if device.type == "cuda" else {}),
    }


def _gpu(device: "torch.device") -> dict[str, Any]:
    """The GPU, how many there are, and the software below torch."""
    import torch

    return {
        "name": torch.cuda.get_device_name(device),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
        "count": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str:
    """Version of NVIDIA's driver; "" where its own program does not say."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=False, timeout=DRIVER_LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.partition("\n")[0].strip() if said.returncode == 0 else ""
