"""A project of three tiny stages, one after the other, which fail as a file tells them."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from sediff.pipeline.graph import order

ROOT = Path(__file__).parents[2]
STAGE = """
import os, signal, sys, time
from pathlib import Path
from flows.stage import Context, run
from sediff.errors import UserError

def {name}(context: Context) -> str:
    mode = Path("mode-{name}")
    wanted = mode.read_text() if mode.exists() else ""
    mode.unlink(missing_ok=True)
    if wanted == "mistake":
        raise UserError("{name} has no input: give it one.")
    if wanted.startswith("mistake: "):
        raise UserError(wanted)
    if wanted.startswith("broken: "):
        raise KeyError(wanted)
    if wanted == "halfway":
        (context.work / "step").write_text("1")
        raise UserError("{name} was interrupted: run again.")
    if (context.work / "step").exists():
        Path("went-on-{name}").write_text(context.fingerprint)
    if wanted in ("slow", "hang"):
        Path("pid-{name}").write_text(str(os.getpid()))
    if wanted == "slow":
        time.sleep(6)
    if wanted == "hang":
        sys.stderr.write("half a line")
        sys.stderr.flush()
        time.sleep(600)
    if wanted == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    (context.out / "out.txt").write_text(context.fingerprint)
    return "made {name}"

run({name})
"""
BEFORE = {"first": None, "second": "first", "third": "second"}
SECTIONS = {"first": "simulator", "second": "evaluation", "third": "augmentation"}


def make(folder: Path) -> Path:
    """Write the stages, their graph and params.yaml into a git repository of their own."""
    stages = {}
    for name, before in BEFORE.items():
        (folder / f"{name}.py").write_text(STAGE.format(name=name))
        (folder / "knowledge").mkdir(exist_ok=True)
        (folder / f"knowledge/{name}.txt").write_text(name)
        deps = [f"{name}.py", f"knowledge/{name}.txt", *([f"data/{before}"] if before else [])]
        command = f"{sys.executable} {name}.py"
        stages[name] = {"cmd": command, "deps": deps, "params": [SECTIONS[name]], "outs": [f"data/{name}"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "store"))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def walk(project: Path, *stages: str) -> dict[str, bool]:
    """Bring all stages up to date, or those that are named, and say which ran."""
    from flows.pipeline import walk

    return {result.stage: result.ran for result in walk(project, stages or order(project), 60)}
