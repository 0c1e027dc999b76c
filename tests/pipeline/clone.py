"""A clone of the working tree and its commands, as a user has them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAIN = "from sediff.cli import main; main()"


def command(project: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment and `more`, but for what it says of Prefect."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")} | more
    return subprocess.run(arguments, cwd=project, capture_output=True, text=True, check=False, env=environment)


def sediff(project: Path, *arguments: str) -> str:
    result = command(project, sys.executable, "-c", MAIN, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def checkout(folder: Path) -> Path:
    """What a clone of this working tree would hold, as a git repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    sediff(folder, "configure", "--profile", "smoke", "--force")
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder
