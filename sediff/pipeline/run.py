"""`sediff run` and `sediff plan`: sources first, then whatever is stale."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sediff.cohort.write import write_cohort
from sediff.corpus.readers import READERS
from sediff.errors import UserError
from sediff.exclusions import RAW_FILE, read_exclusions
from sediff.files import read_json, read_out, sha256_json, write_json
from sediff.knowledge.budget import Budget, Prices
from sediff.lineage.environment import what_differs
from sediff.lineage.fingerprint import content_hash
from sediff.lineage.graph import read_graph
from sediff.params import PARAMS, Params, set_params
from sediff.pipeline.answers import BUDGET, RETRY_FALLBACKS
from sediff.pipeline.graph import Staleness, order, staleness
from sediff.pipeline.server import prefect_server
from sediff.progress import log_line
from sediff.pseudonyms import read_pseudonyms
from sediff.sources import VIRTUAL, locate, read_local_paths, scan, write_local_path
from sediff.synthesis.schema import RequestFile
from sediff.vocabulary import Vocabulary

OWN = Path(".sediff")
SETTINGS = OWN / "local.yaml"
INVENTORIES = Path("data/sources")
DISTILLING = "knowledge"  # the stage that asks a language model
REQUESTED = "synthesis@dataset"  # the stage that makes what the user asked for
COHORT_CODE = tuple(
    Path(name)
    for name in (
        "sediff/cohort",
        "sediff/ecg.py",
        "sediff/phrases.py",
        "sediff/simulator/rhythm.py",
        "sediff/vocabulary",
        "knowledge/statements.yaml",
        "knowledge/certainty.yaml",
        "knowledge/wording.yaml",
    )
)


def prepare_sources(params: Params, verify: bool = False) -> list[str]:
    """Simulate the virtual cohort where it is asked for and not there, and scan every source.

    `verify` hashes every file again, whatever its size and time say.

    Raises:
        UserError: a source's folder is missing or cannot be read, or the key of a restricted one is not here.
    """
    read_pseudonyms(params.restricted, params.pseudonyms.key)  # hours before the stage that needs the key
    lines = []
    if any(source.name == VIRTUAL for source in params.corpus.sources):
        lines += _prepare_cohort(params)
    wanted = locate(params.corpus.sources, SETTINGS, INVENTORIES)
    INVENTORIES.mkdir(parents=True, exist_ok=True)
    for stray in set(INVENTORIES.glob("*.parquet")) - {source.inventory for source in wanted}:
        stray.unlink()
    leaves_out = partial(read_exclusions().has, RAW_FILE)
    return lines + [
        scan(source, OWN / "scan" / f"{source.name}.sqlite", READERS[source.reader].ignored, verify, leaves_out)
        for source in wanted
    ]


def _prepare_cohort(params: Params) -> list[str]:
    root = OWN / "sources" / VIRTUAL
    if read_local_paths(SETTINGS).get(VIRTUAL) != str(root):
        write_local_path(SETTINGS, VIRTUAL, root)
    stamp = root.with_suffix(".json")
    wanted = sha256_json([params.cohort.model_dump(), [content_hash(path) for path in COHORT_CODE]])
    if root.is_dir() and stamp.exists() and read_json(stamp) == wanted:
        return []
    stamp.unlink(missing_ok=True)  # or an interrupted change of parameters would leave a stamp that lies
    line = write_cohort(params.cohort, root, Vocabulary.load())
    write_json(stamp, wanted)
    return [line]


def _require_request(params: Params, stages: Sequence[str]) -> None:
    """Refuse a request's file that is another than params.yaml names, by which DVC knows it.

    Raises:
        UserError: it is another, or not there.
    """
    asked = params.synthesis.dataset
    if REQUESTED in stages and isinstance(asked, RequestFile):
        asked.found()


def run_pipeline(
    targets: Sequence[str] = (), assignments: Sequence[str] = (), budget: str = "", retry_fallbacks: bool = False
) -> None:
    """Bring everything up to date, or what leads to `targets`, and say what each stage took.

    Args:
        assignments: changes of params.yaml to make first, as `section.key=value`.
        budget: the most that language models may take, as `Budget.parse` reads it.
        retry_fallbacks: whether to ask the language model again for what fell back to the offline distiller.

    Raises:
        UserError: a mistake in parameters, sources or a stage's input.
    """
    from sediff.publication.continuing import check_start  # which ask git and GTO
    from sediff.publication.withdraw import refuse_pinned

    started = time.monotonic()
    with only_run():
        stages = _wanted(targets)
        for line in set_params(PARAMS, assignments):
            log_line(line)
        params = Params.load()
        _require_request(params, stages)
        refuse_pinned(Path())
        check_start(Path())
        forced = _language_model(params, stages, budget, retry_fallbacks)
        for line in prepare_sources(params):
            log_line(line)
        if not forced and not any(entry.reasons for entry in staleness(Path()) if entry.stage in stages):
            log_line(f"Everything is up to date; nothing ran ({time.monotonic() - started:.1f} s).")
            log_line(_report_line(stages))
            return
        if differs := what_differs(Path()):
            log_line(differs)
        days = params.publication.retention.nightly
        with prefect_server(OWN / "prefect", params.runtime.server_start_limit, days):
            from flows.pipeline import walk

            results = walk(Path(), stages, params.runtime.stage_time_limit, forced)
    total = time.monotonic() - started
    log_line(f"\n{'stage':<24}{'seconds':>9}{'share':>8}")
    for result in results:
        seconds = f"{result.seconds:9.1f}{result.seconds / total:8.0%}" if result.ran else f"{'cached':>9}"
        log_line(f"{result.stage:<24}{seconds}")
    log_line(f"{'all, with server':<24}{total:9.1f}{1:8.0%}\n\n{_report_line(stages)}")


def _language_model(params: Params, stages: Sequence[str], budget: str, retry_fallbacks: bool) -> list[str]:
    """Tell the stage, a process of its own, what this run wants of it; the stages that run although up to date."""
    Budget.parse(budget, Prices(params.runtime.llm_input_price, params.runtime.llm_output_price))
    asks = params.knowledge.distiller == "llm" and DISTILLING in stages
    if budget and not asks:
        raise UserError("--budget is a language model's: run the knowledge stage with distiller llm, or leave it out.")
    if budget:
        os.environ[BUDGET] = budget
    if not retry_fallbacks:
        return []
    if not asks:
        raise UserError("--retry-fallbacks asks a language model again: run the knowledge stage with distiller llm.")
    os.environ[RETRY_FALLBACKS] = "1"
    return [DISTILLING]


def _report_line(stages: Sequence[str]) -> str:
    if "report" not in stages:
        return f"brought up to date: {', '.join(stages)}"
    verdict = read_out(Path("reports/report/metrics.json"))
    told = "all gates passed" if verdict["passed"] else f"gates failed: {', '.join(verdict['failed'])}"
    return f"{told}\nreport: reports/index.html"


def plan_lines(params: Params, records: Callable[[str], list[dict[str, Any]]]) -> list[str]:
    """What would run and why, with the seconds and megabytes of each stage's last run."""
    with only_run():
        prepare_sources(params)
    lines, seconds, size, unknown = [], 0.0, 0, 0
    for entry in staleness(Path()):
        past = records(entry.stage)
        lines.append(_plan_line(entry, past))
        if entry.reasons and past:
            seconds, size = seconds + past[-1]["seconds"], size + past[-1]["bytes"]
        unknown += bool(entry.reasons and not past)
    rest = f", and {unknown} stages that never ran here" if unknown else ""
    lines.append(f"expected from past runs: at most {seconds / 60:.1f} min, {size / 1e6:.0f} MB{rest}")
    return lines


def _plan_line(entry: Staleness, past: list[dict[str, Any]]) -> str:
    if not entry.reasons:
        return f"{entry.stage:<24} up to date"
    cost = f"{past[-1]['seconds'] / 60:.1f} min, {past[-1]['bytes'] / 1e6:.0f} MB" if past else "never ran here"
    shown = ", ".join(entry.reasons[:4]) + (f" and {len(entry.reasons) - 4} more" if len(entry.reasons) > 4 else "")
    return f"{entry.stage:<24} would run ({cost}): {shown}"


def _wanted(targets: Sequence[str]) -> list[str]:
    """The targets and all before them, in order."""
    stages = order(Path())
    unknown = [target for target in targets if target not in stages]
    if unknown:
        raise UserError(f"There is no stage {unknown[0]}: the stages are {', '.join(stages)}.")
    if not targets:
        return stages
    graph = read_graph(Path())
    made = {out: stage.name for stage in graph.values() for out in stage.outs}
    wanted, queue = set(), list(targets)
    while queue:
        stage = queue.pop()
        if stage not in wanted:
            wanted.add(stage)
            queue += [made[dep] for dep in graph[stage].deps if dep in made]
    return [stage for stage in stages if stage in wanted]


@contextmanager
def only_run() -> Iterator[None]:
    """Two runs of one clone never go at once.

    Raises:
        UserError: another run holds the lock.
    """
    OWN.mkdir(exist_ok=True)
    with (OWN / "run.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("Another `sediff run` is going on in this folder: wait for it or end it.") from None
        yield
