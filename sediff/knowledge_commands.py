"""`sediff knowledge`: what similar patients teach."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from sediff.options import AgeOption, HeartRateOption, JsonOption, SexOption, checked_text, require_project, sex_of

knowledge_app = typer.Typer(no_args_is_help=True, help="What similar training patients teach.")


@knowledge_app.command("ask")
def ask_command(
    text: Annotated[str, typer.Argument(help="A patient and an ECG in words, English or German.")],
    age: AgeOption = None,
    sex: SexOption = None,
    heart_rate: HeartRateOption = None,
    neighbours: Annotated[
        int | None, typer.Option("-k", min=1, max=1000, help="Similar records; as many as the store was made with.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how a text is understood, which training records are like it, and what they teach."""
    text = checked_text(text)
    from flows.question import ask_store

    _echo(*ask_store(text, age, sex_of(sex), heart_rate, neighbours), as_json)


@knowledge_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="ID", help="Of an experience or its record, or a pseudonym.")],
    as_json: JsonOption = False,
) -> None:
    """Print one experience in full."""
    require_project()
    from flows.question import show_experience

    _echo(*show_experience(name), as_json)


def _echo(lines: Sequence[str], content: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
        return
    for line in lines:
        typer.echo(line)
