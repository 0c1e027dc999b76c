"""Where shards are worked on: processes of this machine, or a Dask or Ray cluster through Prefect's task runners.

A cluster on other machines needs the project's folder and the sources at the same paths, on a shared file system, and
its workers started in that folder.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flows.stage import OWN
from sediff.errors import UserError
from sediff.params import RuntimeParams
from sediff.pipeline.server import prefect_server
from sediff.processes import Runner, in_processes


def runner(params: RuntimeParams) -> Runner:
    """The runner that runtime.runner names.

    Raises:
        UserError: its extra is not installed.
    """
    if params.runner == "processes":
        return in_processes(params.workers)
    return _through_prefect(params)


def _through_prefect(params: RuntimeParams) -> Runner:
    def run(function: Callable[[int], int], shards: Sequence[int]) -> Iterator[int]:
        with prefect_server(OWN / "prefect", params.server_start_limit):
            from prefect import flow, task
            from prefect.futures import as_completed

            def work_on(shard: int) -> int | Exception:
                try:
                    return function(shard)
                except Exception as error:  # a value: a server elsewhere would be told the record that it names
                    return error

            @flow(name="shards", task_runner=_task_runner(params))
            def all_shards() -> Iterator[int | Exception]:
                for future in as_completed(list(task(name="shard")(work_on).map(shards))):
                    yield future.result()

            for result in all_shards():
                if isinstance(result, Exception):
                    raise result
                yield result

    return run


def _task_runner(params: RuntimeParams) -> Any:
    """Prefect's runner: a cluster of `runtime.workers` here, or that of DASK_SCHEDULER_ADDRESS or RAY_ADDRESS."""
    try:
        if params.runner == "dask":
            from prefect_dask import DaskTaskRunner

            address = os.environ.get("DASK_SCHEDULER_ADDRESS")
            local = {"n_workers": params.workers, "threads_per_worker": 1}
            return DaskTaskRunner(address=address) if address else DaskTaskRunner(cluster_kwargs=local)
        from prefect_ray import RayTaskRunner

        address = os.environ.get("RAY_ADDRESS")
        return RayTaskRunner(address=address) if address else RayTaskRunner(init_kwargs={"num_cpus": params.workers})
    except ImportError:
        raise UserError(
            f"runtime.runner is {params.runner}: install it with `pip install -e .[{params.runner}]`, or set processes."
        ) from None
