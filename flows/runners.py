"""Where shards are worked on: processes of this machine, or a Dask or Ray cluster through Prefect's task runners."""

from collections.abc import Callable, Iterator, Sequence

from sediff.corpus.build import Runner, in_processes
from sediff.errors import UserError
from sediff.params import RuntimeParams


def runner(params: RuntimeParams) -> Runner:
    """The runner that runtime.runner names.

    Raises:
        UserError: its extra is not installed.
    """
    if params.runner == "processes":
        return in_processes(params.workers)
    return _through_prefect(params)


def _through_prefect(params: RuntimeParams) -> Runner:
    from prefect import flow, task
    from prefect.task_runners import TaskRunner

    task_runner: TaskRunner = _task_runner(params)

    def run(function: Callable[[int], int], shards: Sequence[int]) -> Iterator[int]:
        @flow(name="shards", task_runner=task_runner)
        def shards_flow() -> list[int]:
            futures = task(function_of_shard).map(shards)
            return futures.result()

        def function_of_shard(shard: int) -> int:
            return function(shard)

        yield from shards_flow()

    return run


def _task_runner(params: RuntimeParams):  # noqa: ANN202
    try:
        if params.runner == "dask":
            from prefect_dask import DaskTaskRunner

            return DaskTaskRunner(cluster_kwargs={"n_workers": params.workers, "threads_per_worker": 1})
        from prefect_ray import RayTaskRunner

        return RayTaskRunner(init_kwargs={"num_cpus": params.workers})
    except ImportError:
        raise UserError(
            f"runtime.runner is {params.runner}: install it with `pip install -e .[{params.runner}]`, or set processes."
        ) from None
