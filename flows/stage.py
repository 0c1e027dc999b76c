"""What all stages share: folders, fingerprint, lock, manifest, run record, and Prefect where a server is.

Without PREFECT_API_URL a stage is a plain function call in this process, so `dvc repro` needs no server.
Several training processes (`reproducibility.training_processes`) are started by torch's launcher and joined by
`accelerate`: all of them run the stage, and the first alone writes, records and speaks to Prefect.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.computing import computing
from flows.launch import launch
from flows.orphans import end_with_run
from flows.spoken import Spoken, spoken
from flows.told import Told
from sediff.errors import UserError
from sediff.files import write_json
from sediff.lineage.ancestor import POINTER, Ancestor, read_ancestor, start_of
from sediff.lineage.dvc_hash import md5_files
from sediff.lineage.environment import FILE as ENVIRONMENT
from sediff.lineage.environment import environment, unlike_pins
from sediff.lineage.fingerprint import Origin, origin_of
from sediff.params import Params
from sediff.pipeline.disk import full_disk_in_a_sentence
from sediff.processes import DIES_WITH_PARENT
from sediff.progress import log_line

if TYPE_CHECKING:
    import torch

    from sediff.training import Job, Start

DATA, REPORTS, RUNS, OWN = Path("data"), Path("reports"), Path("runs"), Path(".sediff")
SCHEMA_VERSION = 1
OTHERS_KEPT = 2  # work in progress of other fingerprints of a stage, the last that were asked for
TRAINING_SHARE = 0.95  # of the time limit, after which a training stops by itself, before it is ended


@dataclass(frozen=True)
class Context:
    """What a stage gets: its parameters, its folders, and where numbers are computed.

    `base` is where its outs go: the project's folder, or one that is thrown away.
    """

    stage: str
    item: str
    params: Params
    origin: Origin
    device: "torch.device | None"
    base: Path = Path()
    started: float = field(default_factory=time.monotonic)

    @property
    def out(self) -> Path:
        """Folder of the stage's data; DVC versions it."""
        return self.base / DATA / self.stage / self.item

    @property
    def report(self) -> Path:
        """Folder of its metrics and plots."""
        return self.base / REPORTS / self.stage / self.item

    @property
    def work(self) -> Path:
        """Work in progress of exactly this fingerprint: an interrupted run goes on from here."""
        return work_of(self.origin.stage, self.origin.fingerprint)

    @property
    def computing_device(self) -> "torch.device":
        """Where numbers are computed; only a stage that runs with `computes` has it."""
        assert self.device is not None, f"{self.stage} runs without computes=True"
        return self.device

    @property
    def job(self) -> "Job":
        """The same for a stage that trains."""
        from sediff.training import Job

        runtime = self.params.runtime
        return Job(
            self.out,
            self.report,
            self.work,
            self.params.reproducibility.seed,
            self.computing_device,
            self.origin.fingerprint,
            runtime.checkpoint_every,
            self.started + TRAINING_SHARE * runtime.stage_time_limit,
            self._start,
        )

    @property
    def ancestor(self) -> Ancestor | None:
        """The version from which the stage's training continues; None where it starts from nothing, or trains none."""
        return read_ancestor(Path()) if str(POINTER) in self.origin.inputs else None

    @property
    def _start(self) -> "Start | None":
        from sediff.publication.continuing import check_start  # here too, for whoever says `dvc repro`
        from sediff.training import Start

        ancestor = self.ancestor
        if ancestor is None:
            return None
        check_start(Path())
        return Start(start_of(Path(), ancestor, self.origin.stage), ancestor.steps)

    @property
    def fingerprint(self) -> str:
        """Hash of all that the result depends on."""
        return self.origin.fingerprint


def work_of(stage: str, fingerprint: str) -> Path:
    """Folder of a stage's work in progress under one fingerprint."""
    return OWN / "work" / stage / fingerprint[:16]


def folder_tag() -> str:
    """What marks Prefect's runs of this folder, on a server that other folders use too."""
    return f"sediff:{os.uname().nodename}:{Path().resolve()}"


Body = Callable[[Context], str]


def run(body: Body, *, computes: bool = False, trains: bool = False, items: tuple[str, ...] = ()) -> None:
    """Run a stage as a program and exit: 0, or 1 after one sentence for a user's mistake.

    Args:
        body: the stage; its name is the stage's.
        computes: whether its bytes depend on device and threads.
        trains: whether several processes may share its trainings.
        items: allowed first arguments of a stage that is one for each of several requests.
    """
    if os.environ.get(DIES_WITH_PARENT):
        end_with_run()
    name = body.__name__
    item = sys.argv[1] if len(sys.argv) > 1 else ""
    full_name = f"{name}@{item}" if item else name
    try:
        if items and item not in items:
            raise UserError(f"python -m flows.{name} takes one of {', '.join(items)}.")
        processes = Params.load().reproducibility.training_processes if trains else 1
        if processes > 1 and "RANK" not in os.environ:
            launch([f"flows.{name}", *([item] if item else [])], processes, failure_file(full_name))
        if processes > 1 and int(os.environ["RANK"]):
            _assist(body, name, item)
            return
        with only_one(full_name), full_disk_in_a_sentence(full_name):
            _run(body, name, item, computes)
    except UserError as error:
        failure = failure_file(full_name)
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(str(error), encoding="utf-8")
        if "RANK" not in os.environ:  # the launcher says it, once for all
            print(f"sediff: error: {error}", file=sys.stderr)
        sys.exit(1)


def _assist(body: Body, name: str, item: str) -> None:
    """Take part in the first process's trainings, and write nothing that is kept."""
    params = Params.load()
    device, described = computing(params)
    origin = origin_of(Path(), f"{name}@{item}" if item else name, described)
    with tempfile.TemporaryDirectory() as folder:
        context = Context(name, item, params, origin, device, Path(folder))
        for needed in (context.out, context.report / "plots"):
            needed.mkdir(parents=True)
        body(context)


def failure_file(stage: str) -> Path:
    """Where a stage leaves the sentence of a user's mistake for the run that started it."""
    return OWN / "work" / f"{stage}.failed"


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the stage's lock: DVC, when killed, leaves its stage running, and the next must not join it."""
    path = OWN / "work" / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): make the project's folder writable.") from None
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise UserError(f"{name} is already running as process {stream.read()}: wait for it or end it.") from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _run(body: Body, name: str, item: str, computes: bool) -> None:
    params = Params.load()
    device, described = computing(params) if computes else (None, unlike_pins(Path()))
    origin = origin_of(Path(), f"{name}@{item}" if item else name, described)
    context = Context(name, item, params, origin, device)
    started, clock = datetime.now(UTC), time.monotonic()
    for folder in (context.out, context.report):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "plots" if folder is context.report else folder).mkdir(parents=True)
    _keep_recent(context.work)
    around = environment(Path(), device)
    with spoken(origin.stage) as heard:
        summary, flow_run = _call(full_disk_in_a_sentence(origin.stage)(body), context, heard)
        write_json(context.out / "manifest.json", manifest(origin, context.ancestor))
        seconds = time.monotonic() - clock
        _record(context, around, started, seconds, summary, flow_run)
        log_line(f"{origin.stage}: {summary} ({seconds:.0f} s)")


def _keep_recent(work: Path) -> None:
    """Make the work folder of this fingerprint, and keep the last others: who goes back to old parameters goes on."""
    work.mkdir(parents=True, exist_ok=True)
    os.utime(work)
    others = [other for other in work.parent.iterdir() if other != work and other.is_dir()]
    others.sort(key=lambda other: (other.stat().st_mtime_ns, other.name), reverse=True)
    for other in others[OTHERS_KEPT:]:
        shutil.rmtree(other)


def manifest(origin: Origin, ancestor: Ancestor | None = None) -> dict:
    """What the out says of itself; it holds no time, host or run.

    Args:
        ancestor: the version that its training continues from.
    """
    continues = {"continues": ancestor.told(origin.stage)} if ancestor else {}
    return {"schema_version": SCHEMA_VERSION, "fingerprint": origin.fingerprint, **asdict(origin), **continues}


def _call(body: Body, context: Context, heard: Spoken) -> tuple[str, str]:
    """Call the stage, as a Prefect flow run where a server is configured: its summary and the run's id."""
    if not os.environ.get("PREFECT_API_URL"):
        return body(context), ""
    from prefect import flow, tags
    from prefect.artifacts import create_markdown_artifact
    from prefect.client.schemas.objects import State
    from prefect.context import FlowRunContext
    from prefect.states import Completed, Failed

    from flows.reach import server_in_reach

    stage, told = context.origin.stage, Told.to_server(context.params)
    summary = flow_run = ""
    failures: list[Exception] = []

    @flow(name=context.stage, flow_run_name=stage, log_prints=not told.restricted)
    def stage_flow(fingerprint: str) -> State:
        nonlocal summary, flow_run
        current = FlowRunContext.get()
        if current and current.flow_run:
            flow_run = str(current.flow_run.id)
            if not told.restricted:
                heard.begin(current.flow_run.id)
        try:
            summary = body(context)
        except Exception as error:
            if not (isinstance(error, UserError) or told.restricted):
                raise
            # A state, not an exception: Prefect would log a traceback, for what is the user's to mend, or with ids.
            failures.append(error)
            return Failed(message=told.failure(stage, error))
        text = f"**{stage}**: {told.summary(stage, summary)}\n\nfingerprint `{fingerprint}`"
        create_markdown_artifact(text, key=stage.replace("@", "-"))
        return Completed(message=told.summary(stage, summary))

    with tags(folder_tag()), server_in_reach():
        state = stage_flow(context.fingerprint, return_state=True)
    if failures:
        raise failures[0]
    state.result()
    return summary, flow_run


def _record(
    context: Context, around: dict[str, Any], started: datetime, seconds: float, summary: str, flow_run: str
) -> None:
    """What happened when, and in which environment: appended beside the outs, never in them."""
    folder = RUNS / context.origin.stage / context.fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    files = [file for base in (context.out, context.report) for file in sorted(base.rglob("*")) if file.is_file()]
    record = {
        "stage": context.origin.stage,
        "fingerprint": context.fingerprint,
        "started": started.isoformat(),
        "seconds": round(seconds, 2),
        "bytes": sum(file.stat().st_size for file in files),
        "files": md5_files({file.relative_to(context.base).as_posix(): file for file in files}),
        "summary": summary,
        "flow_run": flow_run,
        "commit": _commit(),
        "device": context.origin.device,
    }
    attempt = f"{len(list(folder.glob('*.json'))) + 1:04d}"
    write_json(folder / attempt / ENVIRONMENT, around)  # first: a run that is recorded has one
    write_json(folder / f"{attempt}.json", record)


def _commit() -> str:
    """The code's commit, marked where files differ from it; empty outside git."""
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], capture_output=True, text=True, check=False
    )
    return result.stdout.strip()


def read_records(stage: str) -> list[dict]:
    """All run records of a stage, the oldest first."""
    records = [json.loads(path.read_text()) for path in (RUNS / stage).glob("*/*.json")]
    return sorted(records, key=lambda record: record["started"])
