"""Several processes that run one stage and share its trainings: torch's launcher, told to keep quiet.

What a process has to say it says itself, and the sentence of a user's mistake is in the stage's failure file: the
launcher's own table of failed processes and its traceback would stand above it and say nothing.
"""

import logging
import sys
from pathlib import Path


def launch(program: list[str], processes: int, failure: Path) -> None:
    """Run a stage, its module and item, in so many processes, and exit as they do; does not return.

    Args:
        failure: file in which they leave the sentence of a user's mistake; it is printed here, once.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    logging.disable(logging.CRITICAL)  # of this process, which only waits
    failure.unlink(missing_ok=True)
    try:
        main(["--standalone", "--nproc_per_node", str(processes), "-m", *program])
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        sentence = f"training process {rank + 1} of {processes} ended with exit status {first.exitcode}"
        if failure.exists():
            sentence = f"sediff: error: {failure.read_text(encoding='utf-8')}"
        print(sentence, file=sys.stderr)
        sys.exit(1)
    except SignalException as error:
        sys.exit(128 + error.sigval)
    sys.exit(0)
