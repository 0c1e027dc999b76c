"""`sediff audit`, `verify` and `impact`: where things come from, whether they are what they say, what came of them."""

import json
import sys
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
