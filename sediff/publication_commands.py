"""Commands of publication: refresh, serve, health, versions, gate, compare, pull, rollback."""

from pathlib import Path
from typing import Annotated

import typer

from sediff.options import require_project

VersionArgument = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="NAME alone is the one that is served.")]


def refresh_command() -> None:
    """Run what changed in a folder of its own, and publish it if all gates pass."""
    require_project()
    from flows.refresh import refresh
    from sediff.publication.health import SUCCESSES

    if refresh()["outcome"] not in SUCCESSES:
        raise typer.Exit(1)


def serve_command(
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month, weekday, in UTC.")] = "0 2 * * *",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of /healthz on loopback; 0: none.")] = 0,
) -> None:
    """Refresh by a schedule until ended, through Prefect."""
    require_project()
    from flows.serve import serve

    serve(cron, port)


def health_command() -> None:
    """Say when a refresh last succeeded; exit 1 if that is too long ago."""
    require_project()
    from sediff.params import Params
    from sediff.publication.health import health

    well, told = health(Path(), Params.load().publication.max_age)
    typer.echo(told)
    if not well:
        raise typer.Exit(1)


def versions_command() -> None:
    """Print all published versions, the newest first."""
    require_project()
    from sediff.params import Params
    from sediff.publication.versions import current, versions

    name = Params.load().publication.name
    served = current(Path(), name)
    for version in versions(Path(), name):
        typer.echo(f"{version} {version.commit[:12]}{' (served)' if version == served else ''}")


def gate_command(
    version: Annotated[
        str | None, typer.Argument(metavar="NAME@VERSION", help="A published version; the working tree by default.")
    ] = None,
) -> None:
    """Check the gates of params.yaml, absolute and against the version that is served; exit 1 if one fails."""
    require_project()
    from sediff.params import Params
    from sediff.publication.gate import gate, lines
    from sediff.publication.versions import find_version

    params = Params.load()
    name = params.publication.name
    found = find_version(Path(), version, name) if version else None
    results, compared = gate(Path(), params.gates, name, found)
    for line in lines(results, compared):
        typer.echo(line)
    if not all(result.passed for result in results):
        raise typer.Exit(1)


def compare_command(
    first: VersionArgument,
    second: Annotated[
        str | None, typer.Argument(metavar="NAME@VERSION", help="Another; the working tree by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("reports/compare.html"),
) -> None:
    """Write one page on two versions, or a version and the working tree: gates, differences, pictures."""
    require_project()
    from sediff.params import Params
    from sediff.publication.compare import compare
    from sediff.publication.versions import find_version

    params = Params.load()
    versions = [find_version(Path(), one, params.publication.name) if one else None for one in (first, second)]
    assert versions[0] is not None
    typer.echo(compare(Path(), params, versions[0], versions[1], out))


def pull_command(
    version: VersionArgument,
    to: Annotated[Path, typer.Argument(metavar="DEST", help="A folder that does not exist yet.")],
) -> None:
    """Bring the dataset of a published version, and check it."""
    require_project()
    from sediff.params import Params
    from sediff.publication.versions import find_version, pull

    found = find_version(Path(), version, Params.load().publication.name)
    pull(Path(), found, to)
    typer.echo(f"{found} is in {to}")


def rollback_command(version: VersionArgument) -> None:
    """Serve an older version again; refreshes leave it so until there is something new."""
    require_project()
    from flows.refresh import only_refresh
    from sediff.params import Params
    from sediff.publication.publish import serve_version
    from sediff.publication.versions import find_version

    with only_refresh(Path()):
        serve_version(Path(), find_version(Path(), version, Params.load().publication.name), typer.echo)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for name, command in (
        ("refresh", refresh_command),
        ("serve", serve_command),
        ("health", health_command),
        ("versions", versions_command),
        ("gate", gate_command),
        ("compare", compare_command),
        ("pull", pull_command),
        ("rollback", rollback_command),
    ):
        app.command(name)(command)
