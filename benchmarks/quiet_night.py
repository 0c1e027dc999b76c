"""A night with nothing new: `python benchmarks/quiet_night.py CLONE RAW [--rounds 3]`.

CLONE has a published version of a corpus whose recordings lie in RAW. Each round is `sediff refresh` there, and what a
night that remembers no file would do instead: `sha256sum` of all of RAW, and `dvc status` of the refreshes' worktree.
Each is a process of its own. Wall time and processor time; other work lengthens the first.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

REFRESH = [sys.executable, "-c", "from sediff.cli import main; main()", "refresh"]
QUIET = "nothing has changed; nothing ran"
STATUS = [sys.executable, "-m", "dvc", "status", "--quiet"]


def timed(folder: Path, command: list[str], says: str = "") -> tuple[float, float]:
    """Wall and processor seconds of a command, which must end well and say something."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode or says not in ended.stdout + ended.stderr:
        raise SystemExit(f"{' '.join(command)} in {folder} did not end as a quiet night does:\n{ended.stdout}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    clone, raw = arguments.clone.resolve(), arguments.raw.resolve()
    print(f"{sum(path.is_file() for path in raw.rglob('*'))} raw files")
    ways = {
        "sediff refresh": (clone, REFRESH, QUIET),
        "sha256sum of all raw files": (raw, ["sh", "-c", "find . -type f -print0 | xargs -0 sha256sum"], ""),
        "dvc status": (clone / ".sediff/published", STATUS, ""),
    }
    rounds = [{name: timed(*way) for name, way in ways.items()} for _ in range(arguments.rounds)]
    for name in ways:
        walls, used = (sorted(each) for each in zip(*(of[name] for of in rounds), strict=True))
        print(
            f"{name}: {median(walls):.1f} s of wall ({walls[0]:.1f} to {walls[-1]:.1f}), "
            f"{median(used):.1f} s of processor time"
        )


if __name__ == "__main__":
    main()
