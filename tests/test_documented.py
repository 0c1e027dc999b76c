"""Every command that a page names, in a block or within a line: its program takes it, with these options.

Those in blocks marked `sh` are run too, by tests/pipeline/test_runbook.py. Most others need what is not here, or stand
there to be recognised; a verb alone, as prose has it, need only exist.
"""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from cyclopts import CycloptsError
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from prefect.cli import _app as prefect_cli
from typer.core import TyperGroup
from typer.exceptions import Exit, TyperException
from typer.main import get_command

from sediff.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
SHELL = ("sh", "text", "")  # languages of blocks that have commands; nothing said is one of them
ENDS = {"|", "||", "&&", ">", ";"}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def commands(page: Path) -> list[list[str]]:
    """Words of each command of a page whose program is known here."""
    text = page.read_text(encoding="utf-8")
    lines = [line for language, block in FENCED.findall(text) if language in SHELL for line in block.splitlines()]
    lines += [" ".join(code.split()) for code in INLINE.findall(FENCED.sub("", text))]
    found = []
    for line in lines:
        program, _, rest = line.strip().removeprefix(".venv/bin/").partition(" ")
        if program in TAKES:
            words = shlex.split(rest, comments=True)
            end = next((place for place, word in enumerate(words) if word in ENDS), len(words))
            found.append([program, *words[:end]])
    return found


def sediff(words: list[str]) -> bool:
    command, words = get_command(app), words[:]
    while isinstance(command, TyperGroup) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if not words:
        return True
    try:
        command.make_context("sediff", words)
    except Exit as end:  # of --help
        return end.exit_code == 0
    except TyperException:
        return False
    return not isinstance(command, TyperGroup)


def dvc(words: list[str]) -> bool:
    is_verb = all(word.isalpha() for word in words)
    try:
        with redirect_stdout(StringIO()):
            get_main_parser().parse_args([*words, "--help"] if is_verb else words)
    except DvcParserError:
        return False
    except SystemExit as end:
        return end.code == 0
    return True


def prefect(words: list[str]) -> bool:
    words = [word for word in words if word != "--no-prompt"]  # of the program, before its verbs
    try:
        prefect_cli._app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError:
        return False
    return True


def git(words: list[str]) -> bool:
    verb = next(word for word in words if not word.startswith("-") and "=" not in word)
    listed = subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True, check=True)
    return verb in listed.stdout.split()


def make(words: list[str]) -> bool:
    said = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, check=False)
    return said.returncode == 0


def python(words: list[str]) -> bool:
    """A program of the project's, with options that it names."""
    path = ROOT / words[0]
    return path.is_file() and all(f'"{word}"' in path.read_text() for word in words[1:] if word.startswith("-"))


def pip(words: list[str]) -> bool:
    extra = re.fullmatch(r"install -e \.\[(\w+)\]", " ".join(words))
    return extra is not None and extra[1] in EXTRAS


TAKES: dict[str, Callable[[list[str]], bool]] = {
    taken.__name__: taken for taken in (sediff, dvc, prefect, git, make, python, pip)
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_is_taken(page):
    refused = [" ".join(words) for words in commands(page) if not TAKES[words[0]](words[1:])]
    assert refused == []


@pytest.mark.parametrize(
    "command",
    ["sediff verifi", "sediff verify --rebuild many", "sediff versions --yes", "sediff run --st a.b=1",
     "sediff knowledge nothing", "dvc pul", "dvc remote add --default …", "dvc get --rev v1", "git comit", "make runn",
     "prefect work-pool make a", "prefect worker start --pol a", "python benchmarks/nothing.py",
     "python benchmarks/gate.py --date D", "pip install -e .[nothing]"],
)  # fmt: skip
def test_what_no_program_takes_is_noticed(command, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"Say `.venv/bin/{command}`.\n\n```text\n{command} # or not\n```\n")
    ((program, *words), again) = commands(page)
    assert [program, *words] == again
    assert not TAKES[program](words)
