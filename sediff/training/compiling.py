"""Networks compiled by `torch.compile`, which fuses what lies between the matrix products."""

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sediff.errors import UserError


def compiled(network: nn.Module, label: str) -> Any:
    """The network compiled, its weights shared with the one given; it compiles at its first call.

    Args:
        label: of the training, for the error.

    Raises:
        UserError: there is no C++ compiler, or Python's headers are not there.
    """
    compiler = os.environ.get("CXX", "g++")
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if not (shutil.which(compiler) and headers.exists()):
        raise UserError(
            f"{label}: to compile it takes {compiler} and {headers.name}: install g++ and python3-dev, or set its "
            "`compiled` to false."
        )
    return torch.compile(network)
