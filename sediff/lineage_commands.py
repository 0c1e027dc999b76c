"""`sediff audit`, `verify` and `impact`: where things come from, whether they are what they say, what came of them."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sediff.errors import UserError
from sediff.options import JsonOption, require_project


def audit_command(
    what: Annotated[
        str, typer.Argument(metavar="RECORD_OR_FILE", help="dataset/000012, ptb-xl/00042, or a file of data/ or yours.")
    ],
    as_json: JsonOption = False,
    prov: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a W3C PROV document (PROV-JSON) there.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page there, a graph to walk through.")
    ] = None,
) -> None:
    """Say where a record or a file came from: request, seed, models, experience, stages, raw files with hashes."""
    require_project()
    from sediff.lineage.audit import audit

    lineage = audit(Path(), what)
    if prov:
        from sediff.lineage.prov_document import prov_json

        _write(prov, prov_json(lineage))
    if html:
        from sediff.lineage.page import page_html

        _write(html, page_html(lineage))
    if as_json:
        typer.echo(json.dumps(lineage.as_json(), indent=1, ensure_ascii=False, allow_nan=False))
    elif not prov and not html:
        from sediff.lineage.tree import tree_lines

        for line in tree_lines(lineage):
            typer.echo(line)


def verify_command(
    version: Annotated[
        str, typer.Argument(metavar="[NAME@VERSION]", help="A published version; the working tree by default.")
    ] = "",
    no_raw: Annotated[bool, typer.Option("--no-raw", help="Leave the raw files of the sources out.")] = False,
    rebuild: Annotated[
        int, typer.Option(metavar="N", min=0, help="Make so many synthetic records again, and compare their bytes.")
    ] = 0,
) -> None:
    """Compute every hash again, from the dataset back to the raw files; exits 1 and names what is not as it was."""
    require_project()
    from sediff.lineage.verify import verify
    from sediff.params import Params

    params = Params.load()
    if version:
        if rebuild:
            raise UserError(f"--rebuild makes records of the working tree again, not of {version}: leave one out.")
        from sediff.publication.verify import verify_version
        from sediff.publication.versions import find_version

        own = params.publication
        verdict = verify_version(
            Path(), find_version(Path(), version, own.name, usable=False), own.signers, raw=not no_raw
        )
    else:
        from flows.inputs import located_sources

        verdict = verify(Path(), None if no_raw else located_sources(params))
    if rebuild:
        from flows.rebuild import rebuild_records

        rebuild_records(rebuild, verdict)
    for line in verdict.checked:
        typer.echo(line)
    for fault in verdict.faults:
        typer.echo(f"FAULT {fault.what}: {fault.why}")
    typer.echo(f"{len(verdict.faults)} faults" if verdict.faults else "all as it was recorded")
    raise typer.Exit(1 if verdict.faults else 0)


def impact_command(
    name: Annotated[str, typer.Argument(metavar="PATIENT_OR_RECORD", help="An id of the corpus, like ptb-xl/00042.")],
    patient: Annotated[bool, typer.Option("--patient", help="The id is a patient's.")] = False,
    record: Annotated[bool, typer.Option("--record", help="The id is a record's.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a raw patient's data, or one record's, touched: shards, experiences, fits, models, rows, versions."""
    require_project()
    if patient and record:
        raise UserError(f"--patient and --record say two things of {name}: give one.")
    from flows.inputs import pseudonyms_of
    from sediff.lineage.impact import impact, impact_lines
    from sediff.params import Params
    from sediff.publication.touched import versions_with

    kind = "patient" if patient else "record" if record else ""
    found = impact(Path(), name, kind, pseudonyms_of(Params.load()))
    whole = {one["patient_id"] for one in found.records} if kind == "patient" else set()
    records = {one["record_id"] for one in found.records}
    found = replace(found, versions=versions_with(Path(), records, whole))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False, allow_nan=False))
        return
    for line in impact_lines(found):
        typer.echo(line)


def _write(path: Path, text: str) -> None:
    from sediff.files import replacing

    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): give another path.") from None
    print(path, file=sys.stderr)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("audit")(audit_command)
    app.command("verify")(verify_command)
    app.command("impact")(impact_command)
