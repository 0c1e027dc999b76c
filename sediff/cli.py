"""The command line. Heavy modules are imported by the verbs that need them, so that --help is quick."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sediff import lineage_commands, publication_commands
from sediff.errors import UserError
from sediff.fetch.corpora import CATALOGUE, PHYSIONET
from sediff.knowledge_commands import knowledge_app
from sediff.options import (
    LARGEST_SEED,
    AgeOption,
    HeartRateOption,
    SeedOption,
    SexOption,
    checked_text,
    number_option,
    require_project,
    sex_of,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Synthetic 12-lead ECGs from clinical text: a pipeline that can be rerun, scheduled and audited.",
)
INTERRUPTED = 130  # the exit status that typer gives to Ctrl-C
GOES_ON = (  # verbs of which the next call finds what an interrupted one has done; the others keep nothing of it
    *("run", "scan", "fetch", "synthesize", "pin-judges", "ablate", "study", "knowledge answers"),
    *("refresh", "serve", "pull", "rollback", "withdraw", "purge", "gc"),
)
corpus_app = typer.Typer(no_args_is_help=True, help="What is in the corpus.")
app.add_typer(corpus_app, name="corpus")
app.add_typer(knowledge_app, name="knowledge")
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a parameter first, checked.")
]


@app.command()
def run(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages to bring up to date; all by default.")] = None,
    assignments: SetOption = None,
    accept_code: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Accept a change of a stage's code without running it.")
    ] = None,
    budget: Annotated[
        str,
        typer.Option(metavar="AMOUNT", help="The most that language models may take: 2000000tokens, or 5usd."),
    ] = "",
    retry_fallbacks: Annotated[
        bool, typer.Option("--retry-fallbacks", help="Ask the language model again for what the offline one distilled.")
    ] = False,
) -> None:
    """Run whatever is not up to date, in order, through Prefect and DVC."""
    from sediff.pipeline.run import only_run, run_pipeline

    if accept_code:
        if targets or assignments:
            raise UserError("--accept-code goes alone: change parameters and run stages without it.")
        from sediff.pipeline.accept import accept

        with only_run():
            typer.echo(accept(Path(), accept_code))
        return
    run_pipeline(targets or [], assignments or [], budget, retry_fallbacks)


@app.command()
def plan() -> None:
    """Say which stages would run and why, with minutes and disk expected from past runs."""
    from flows.stage import read_records
    from sediff.params import Params
    from sediff.pipeline.run import plan_lines

    for line in plan_lines(Params.load(), read_records):
        typer.echo(line)


@app.command()
def scan(
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file, even if size and time are as before.")
    ] = False,
) -> None:
    """Write the inventory of each source, which `dvc repro` starts from."""
    from sediff.params import Params
    from sediff.pipeline.run import only_run, prepare_sources

    with only_run():
        for line in prepare_sources(Params.load(), verify):
            typer.echo(line)


@app.command()
def fetch(
    corpus: Annotated[str, typer.Argument(help=f"What to fetch: {CATALOGUE}.")],
    folder: Annotated[Path, typer.Argument(metavar="DEST", help="Folder for it; a copy that is there is completed.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Fetch a part, everything by default; may be repeated: the pipeline needs "
            "--only 'records100/*' --only '*.csv' of ptb-xl.",
        ),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Hash known files again; mend what is wrong.")] = False,
    connections: Annotated[int, typer.Option(min=1, max=16, help="Files at a time.")] = 4,
    base_url: Annotated[str, typer.Option(metavar="URL", help="A mirror in PhysioNet's layout.")] = PHYSIONET,
) -> None:
    """Fetch a corpus from PhysioNet, or go on with it, and verify every file.

    Where a corpus asks for a user, PHYSIONET_USER names it; the password is asked for on a terminal, or read from
    PHYSIONET_PASSWORD, and stored nowhere.
    """
    from sediff.fetch.copy import fetch as fetch_corpus
    from sediff.fetch.corpora import find

    typer.echo(fetch_corpus(find(corpus), folder, only or [], verify, connections, base_url))


@app.command()
def configure(
    corpus: Annotated[Path | None, typer.Option(help="Folder of a corpus; `virtual` for the built-in one.")] = None,
    name: Annotated[str | None, typer.Option(help="What the corpus is called; its reader's name by default.")] = None,
    reader: Annotated[str | None, typer.Option(help="Layout of the folder; told by its files by default.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Read it beside the corpora that are configured.")] = False,
    sharing: Annotated[
        str | None, typer.Option(help="open or restricted: who may see the corpus; open, or as it was, by default.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Sizes for a machine: smoke, laptop, workstation, gpu or cluster.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Overwrite keys that were edited.")] = False,
    request: Annotated[
        Path | None, typer.Option(help="A request, YAML or Parquet, that the synthesis stage makes as `dataset`.")
    ] = None,
) -> None:
    """Choose the corpus, a profile of sizes, or a request in a file; shows what changes."""
    from sediff.configure import configure as configure_project

    if corpus is None and profile is None and request is None:
        raise UserError("Say what to configure: --corpus PATH, --profile NAME or --request FILE.")
    if corpus is None and (name or reader or add or sharing):
        raise UserError("--name, --reader, --add and --sharing say something of a corpus: give --corpus PATH too.")
    lines = configure_project(corpus, sharing, name, reader, add, profile, force, request)
    for line in lines or ["nothing to change"]:
        typer.echo(line)


@corpus_app.command("show")
def corpus_show() -> None:
    """Print what is in the corpus: records, patients, sources, statements, intervals, what was set aside and why."""
    from flows.stage import REPORTS
    from sediff.corpus.show import corpus_lines
    from sediff.files import read_out
    from sediff.vocabulary import Vocabulary

    path = REPORTS / "corpus/metrics.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: run `sediff run corpus` first.")
    try:
        lines = corpus_lines(read_out(path), Vocabulary.load())
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{path} is not of this version's run: run `sediff run corpus` again.") from None
    for line in lines:
        typer.echo(line)


@app.command()
def generate(
    text: Annotated[str, typer.Argument(help="What the ECG should show, for example 'atrial fibrillation'.")],
    age: AgeOption = None,
    sex: SexOption = None,
    heart_rate: HeartRateOption = None,
    axis: Annotated[float | None, number_option(-180, 180, "Of QRS, degrees.")] = None,
    pr: Annotated[float | None, number_option(80, 400, "ms; of models with a morphology.")] = None,
    qrs: Annotated[float | None, number_option(50, 250, "Its duration, ms; likewise.")] = None,
    qt: Annotated[float | None, number_option(200, 700, "ms; likewise.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many records.")] = 1,
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="Folder for WFDB records and pictures.")] = Path("out"),
    explain: Annotated[bool, typer.Option(help="Print the experience that the records rest on.")] = False,
) -> None:
    """Write WFDB records and pictures on ECG paper for one prompt, with the models of the last run."""
    _share_cores()
    from flows.prompt import prompt_records
    from sediff.synthesis.params import PromptRequest

    text = checked_text(text)
    asked = {"age": age, "sex": sex_of(sex), "heart_rate": heart_rate, "axis": axis, "pr": pr, "qrs": qrs, "qt": qt}
    prompt = PromptRequest.model_validate({"text": text, "records": count, **asked})
    for line in prompt_records(prompt, seed, out, explain):
        typer.echo(line)


@app.command()
def synthesize(
    request: Annotated[Path, typer.Argument(help="What to make, as YAML or Parquet; README says how.")],
    out: Annotated[Path, typer.Option(help="Folder for the dataset; what is there of it is kept.")],
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=LARGEST_SEED, help="Another seed gives other records; reproducibility.seed by default."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Processes; one a core by default.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Replace what the folder holds, or go on with it.")
    ] = False,
    explain: Annotated[bool, typer.Option(help="Print the experience that the records rest on.")] = False,
) -> None:
    """Make a dataset of any size with the models of the last run, or go on with it."""
    from flows.dataset import synthesize_request

    require_project()
    for line in synthesize_request(request, out, seed, workers, fresh, explain):
        typer.echo(line)


@app.command()
def studio(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; a free one by default.")] = 0,
) -> None:
    """Serve a page on this machine: type a text, see the ECG on paper, download it."""
    require_project()
    _share_cores()
    from sediff.studio.serve import bind

    bound = bind(port)  # before what takes seconds to load
    from flows.studio import serve_studio

    serve_studio(bound, typer.echo)


@app.command()
def export(
    dataset: Annotated[Path, typer.Argument(help="Folder of synthetic records, such as data/synthesis/dataset.")],
    form: Annotated[str, typer.Option("--format", help="wfdb, dicom, numpy, png, svg or pdf.")],
    out: Annotated[Path, typer.Option(help="Folder for the files, a new one.")],
    first: Annotated[int | None, typer.Option(min=1, help="So many records, from the start; all by default.")] = None,
    index: Annotated[list[int] | None, typer.Option(min=0, help="The record of this index; may repeat.")] = None,
) -> None:
    """Write a synthetic dataset in a format that others read, with datasheet, Croissant metadata and checksums."""
    from sediff.export.export import export as export_dataset

    if first is not None and index:
        raise UserError("--first and --index go apart: give one of them.")
    typer.echo(export_dataset(dataset, form, out, first, index))


@app.command()
def trace(
    pseudonym: Annotated[str, typer.Argument(help="Id of a restricted record in an exported row.")],
) -> None:
    """Print the record and the patient behind a pseudonym; takes the corpus and the team's key."""
    from flows.inputs import pseudonyms_of
    from flows.stage import DATA
    from sediff.lineage.trace import trace as trace_record
    from sediff.params import Params

    record, patient = trace_record(pseudonym, DATA / "corpus", pseudonyms_of(Params.load()))
    typer.echo(f"record {record} of patient {patient}")


lineage_commands.register(app)  # audit, verify, impact
publication_commands.register(app)  # refresh, serve, health, versions, gate, compare, pull, rollback


@app.command()
def pin_judges() -> None:
    """Use the judges of the last run in every later one, so that figures stay comparable (encoder.retrain: until)."""
    from flows.stage import DATA
    from sediff.pipeline.pin import pin_judges as pin
    from sediff.pipeline.run import only_run

    with only_run():
        for line in pin(Path(), DATA / "encoder/judges"):
            typer.echo(line)


@app.command()
def simulate(
    statement: Annotated[list[str] | None, typer.Option(metavar="CODE", help="Of the vocabulary; may repeat.")] = None,
    heart_rate: Annotated[float | None, typer.Option(help="Mean rate, beats a minute; the statement's usual.")] = None,
    rhythm: Annotated[str, typer.Option(help="For example pause; the one that the statements name.")] = "",
    count: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many records.")] = 1,
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="Folder for the records, shard-000.parquet.")] = Path("out"),
) -> None:
    """Write records of McSharry's model alone, with the morphology and rhythms that the last run fitted."""
    from flows.stage import DATA
    from sediff.simulator.dataset import Wanted, write_simulation
    from sediff.vocabulary import Vocabulary

    wanted = Wanted(tuple(statement or ()), heart_rate, rhythm)
    typer.echo(write_simulation(DATA / "simulator", Vocabulary.load(), wanted, count, seed, out))


@app.command()
def ablate(
    arm: Annotated[list[str] | None, typer.Option(help="One arm of sediff/ablation/arms.yaml; may repeat.")] = None,
    seed: Annotated[list[int] | None, typer.Option(min=0, help="One seed; may repeat.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each training, instead of the declared number.")] = None,
    samples: Annotated[int | None, typer.Option(min=2, help="Conditions, instead of the declared number.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Conditions of the test split, not of validation.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say what is done, and what the rest costs.")] = False,
    compared: Annotated[bool, typer.Option("--table", help="Print the comparison in Markdown.")] = False,
) -> None:
    """Train arms that differ in one thing, core first, and measure them; goes on with what is missing.

    One file a cell in reports/ablation; kill it at any time.
    """
    from flows.ablation import Ablation
    from sediff.pipeline.run import only_run

    ablation = Ablation(arm or [], seed or [], steps, samples, "test" if test else None)
    if listed or compared:
        for line in (ablation.listed() if listed else []) + (ablation.table() if compared else []):
            typer.echo(line)
        return
    with only_run():
        typer.echo(ablation.run())


@app.command()
def study(
    study: Annotated[
        list[str] | None, typer.Option("--study", help="One study of sediff/study/studies.yaml; may repeat.")
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="One of its arms; may repeat.")] = None,
    seed: Annotated[list[int] | None, typer.Option(min=0, help="One seed; may repeat.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each training, instead of the declared number.")] = None,
    generator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STUDY=]CLONE",
            help="Clone whose synthetic records are used, by one study or by all; one a fold where there are folds.",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Say what is done, and what the rest costs.")] = False,
    compared: Annotated[bool, typer.Option("--table", help="Print the comparison in Markdown.")] = False,
    left_out: Annotated[
        bool, typer.Option("--left-out", help="Print fold and id of what a generator for one cell must not see.")
    ] = False,
) -> None:
    """Train classifiers with and without synthetic records, test them on real patients; goes on with what is missing.

    The core first, one file a cell in reports/study; kill it at any time.
    """
    from flows.study import Studies
    from sediff.pipeline.run import only_run

    studies = Studies(study or [], arm or [], seed or [], steps, generator or [])
    if listed or compared or left_out:
        told = [*(studies.listed() if listed else []), *(studies.table() if compared else [])]
        for line in told + (studies.left_out() if left_out else []):
            typer.echo(line)
        return
    with only_run():
        typer.echo(studies.run())


@app.command()
def doctor() -> None:
    """Say what is there and what is not, and how to mend it."""
    from sediff.doctor import findings

    for line in findings():
        typer.echo(line)


def _share_cores() -> None:
    """Let waiting threads sleep, before torch is imported: where others use the cores too, spinning ones lose most."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    """Entry point: a user's mistake is one sentence and exit status 1."""
    try:
        app()
    except UserError as error:
        print(f"sediff: error: {error}", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        print(f"sediff: interrupted; run again, and it {_next_call(sys.argv[1:])}.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _next_call(arguments: list[str]) -> str:
    """What the next call of an interrupted command does."""
    goes_on = any(" ".join(arguments[:words]) in GOES_ON for words in (1, 2))
    return "goes on where it stopped" if goes_on else "begins anew"
