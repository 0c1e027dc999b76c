"""`sediff knowledge`: what similar patients teach."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from sediff.options import AgeOption, HeartRateOption, JsonOption, SexOption, checked_text, require_project, sex_of

knowledge_app = typer.Typer(no_args_is_help=True, help="What similar training patients teach.")
answers_app = typer.Typer(no_args_is_help=True, help="What language models answered, kept in .sediff/answers.")
knowledge_app.add_typer(answers_app, name="answers")


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


@answers_app.command("push")
def answers_push() -> None:
    """Copy answers to DVC's default remote; what is there stays as it is."""
    from flows.answers import FOLDER
    from sediff.knowledge.answers import AnswerStore
    from sediff.pipeline.answers import push_answers

    typer.echo(push_answers(AnswerStore(FOLDER)))


@answers_app.command("pull")
def answers_pull() -> None:
    """Take answers that are missing or damaged here from DVC's default remote."""
    from flows.answers import FOLDER
    from sediff.knowledge.answers import AnswerStore
    from sediff.pipeline.answers import pull_answers

    typer.echo(pull_answers(AnswerStore(FOLDER)))


def _echo(lines: Sequence[str], content: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
        return
    for line in lines:
        typer.echo(line)
