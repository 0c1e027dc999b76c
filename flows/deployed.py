"""One refresh as the flow run of a deployment, for workers of a Prefect work pool: prefect.yaml names it.

The run fails with the refresh's own sentence, and what a restricted source's failures say stays on this machine.
"""

import traceback
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.refresh import refresh
from flows.told import Told
from sediff.errors import UserError
from sediff.params import PARAMS, Params
from sediff.publication.health import SUCCESSES


@flow(name="nightly", log_prints=False)
def nightly() -> State:
    """Refresh the clone in which the worker works, once."""
    told = Told.to_server(Params.load(PARAMS))
    try:
        entry = refresh(Path())
    except UserError as error:
        return Failed(message=told.failure("refresh", error))
    except Exception as error:  # a fault of its own: its traceback stays with the worker, the server has the state
        traceback.print_exc()
        return Failed(message=told.failure("refresh", error))
    if entry["outcome"] in SUCCESSES:
        return Completed(message=f"{entry['outcome']}: {entry['version']}")
    return Failed(message=told.failure("refresh", UserError(f"{entry['outcome']}: {entry['told']}")))
