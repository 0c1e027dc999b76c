"""Commands of publication: refresh, serve, health, versions, gate, compare, pull, rollback."""

from pathlib import Path
from typing import Annotated

import typer

from sediff.errors import UserError
from sediff.options import require_project

VersionArgument = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="NAME alone is the one that is served.")]
OwnCache = Annotated[
    bool, typer.Option("--own-cache", help="A DVC cache outside of .dvc has nothing that another project needs.")
]


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
    from sediff.publication.versions import current, revoked, versions

    name = Params.load().publication.name
    served, gone = current(Path(), name), revoked(Path(), name)
    for version in versions(Path(), name):
        marks = " (revoked)" * (version.number in gone) + " (served)" * (version == served)
        typer.echo(f"{version} {version.commit[:12]}{marks}")


def gate_command(
    version: Annotated[
        str | None, typer.Argument(metavar="NAME@VERSION", help="A published version; the working tree by default.")
    ] = None,
) -> None:
    """Check the gates of params.yaml, absolute and against the version that is served; exit 1 if one fails."""
    require_project()
    from sediff.params import Params
    from sediff.publication.gate import gate, lines
    from sediff.publication.versions import current, find_version

    params = Params.load()
    name = params.publication.name
    found = find_version(Path(), version, name, usable=False) if version else None
    results, compared = gate(Path(), params.gates, name, found)
    for line in lines(results, compared, compared == current(Path(), name)):
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
    versions = [
        find_version(Path(), one, params.publication.name, usable=False) if one else None for one in (first, second)
    ]
    assert versions[0] is not None
    typer.echo(compare(Path(), params, versions[0], versions[1], out))


def pull_command(
    version: VersionArgument,
    to: Annotated[Path, typer.Argument(metavar="DEST", help="A folder that does not exist yet.")],
) -> None:
    """Bring the dataset of a published version, and check it."""
    require_project()
    from sediff.params import Params
    from sediff.publication.manifest import read_manifest
    from sediff.publication.versions import find_version, pull
    from sediff.publication.workspace import fetch_tags

    fetch_tags(Path(), typer.echo)
    own = Params.load().publication
    found = find_version(Path(), version, own.name)
    manifest, signed = read_manifest(Path(), found, own.signers)
    pull(Path(), found, to, manifest["dataset"])
    typer.echo(f"{found} is in {to}, {signed}")


def rollback_command(version: VersionArgument) -> None:
    """Serve an older version again; refreshes leave it so until there is something new."""
    require_project()
    from flows.refresh import only_refresh
    from sediff.params import Params
    from sediff.publication.publish import serve_version
    from sediff.publication.versions import find_version
    from sediff.publication.workspace import fetch_tags

    with only_refresh(Path()):
        fetch_tags(Path(), typer.echo)
        serve_version(Path(), find_version(Path(), version, Params.load().publication.name), typer.echo)


def withdraw_command(
    names: Annotated[
        list[str], typer.Argument(metavar="PATIENT_OR_RECORD...", help="Ids of the corpus, like ptb-xl/00042.")
    ],
    patient: Annotated[bool, typer.Option("--patient", help="The ids are patients'.")] = False,
    record: Annotated[bool, typer.Option("--record", help="The ids are records'.")] = False,
) -> None:
    """Leave patients or records out from now on, and revoke every version that was made from them."""
    require_project()
    from flows.refresh import only_refresh
    from sediff.publication.withdraw import withdraw

    if patient and record:
        raise UserError(f"--patient and --record say two things of {names[0]}: give one.")
    with only_refresh(Path()):
        withdraw(Path(), names, "patient" if patient else "record" if record else "", typer.echo)


def purge_command(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, not only list it.")] = False,
    own_cache: OwnCache = False,
) -> None:
    """List, and with --yes remove, all that may hold somebody who was withdrawn; versions without them keep theirs."""
    require_project()
    from flows.refresh import only_refresh, only_serve
    from sediff.pipeline.run import only_run
    from sediff.publication.purge import plan_purge, purge

    with only_serve(Path()), only_refresh(Path()), only_run():
        plan = plan_purge(Path(), own_cache)
        for line in plan.lines():
            typer.echo(line)
        if yes:
            typer.echo(f"removed; the signed record is {purge(Path(), plan)}")
        else:
            typer.echo("nothing was removed: --yes does it")


def gc_command(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, not only say what would go.")] = False,
    own_cache: OwnCache = False,
) -> None:
    """Let go what no version within publication.retention, no branch and no working tree needs."""
    require_project()
    from flows.history import let_go
    from flows.refresh import OWN, only_refresh
    from sediff.params import Params
    from sediff.pipeline.run import only_run
    from sediff.publication.retention import LONGEST_LOG, collect, plan_collection

    with only_refresh(Path()), only_run():
        params = Params.load()
        retention = params.publication.retention
        found = plan_collection(Path(), retention, own_cache)
        typer.echo(f"kept: {', '.join(map(str, found.live)) or 'no version'}, branches and working trees")
        for store, paths in found.objects:
            typer.echo(f"{store.name}: {len(paths)} objects and runs, {store.size(paths) / 1e6:.1f} MB")
        typer.echo(f"work in progress: {len(found.work)} folders")
        for log in found.logs:
            typer.echo(f"{log}: all but the last {LONGEST_LOG / 1e6:.0f} MB")
        if yes:
            collect(Path(), found)
        typer.echo(let_go(OWN / "prefect", params.runtime.server_start_limit, retention.nightly, yes))
        typer.echo("removed" if yes else "nothing was removed: --yes does it")


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
        ("withdraw", withdraw_command),
        ("purge", purge_command),
        ("gc", gc_command),
    ):
        app.command(name)(command)
