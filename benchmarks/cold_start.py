"""A hundred records of one prompt, from a cold shell to files: `python benchmarks/cold_start.py CLONE [--rounds 3]`.

Each round is `sediff generate` in a process of its own, in the clone, with the models of its last run: imports, models,
experience, sampling, a WFDB record and a picture each. Wall time and processor time; other work lengthens the first.
Beside it stands what starting the command line alone takes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

RECORDS = 100
PROMPT = "atrial fibrillation"


def timed(clone: Path, *arguments: str) -> tuple[float, float]:
    """Wall and processor seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    code = "from sediff.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for title, command in (
            ("sediff --help", ["--help"]),
            (f"{RECORDS} records", ["generate", PROMPT, "-n", str(RECORDS), "--out"]),
        ):
            rounds = []
            for number in range(arguments.rounds):
                out = [f"{name}/{number}"] if command[-1] == "--out" else []
                rounds.append(timed(arguments.clone, *command, *out))
            walls, used = (sorted(each) for each in zip(*rounds, strict=True))
            print(
                f"{title}: {median(walls):.1f} s of wall ({walls[0]:.1f} to {walls[-1]:.1f}), "
                f"{median(used):.1f} s of processor time"
            )


if __name__ == "__main__":
    main()
