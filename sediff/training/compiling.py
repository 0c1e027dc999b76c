"""Networks compiled by `torch.compile`, which fuses what lies between the matrix products."""

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sediff.errors import UserError

HEADERS = Path(sysconfig.get_path("include"), "Python.h")


def can_compile() -> bool:
    """Whether this machine has what it takes."""
    return shutil.which(_compiler()) is not None and HEADERS.exists()


def compiled(network: nn.Module, label: str, dynamic: bool | None = None) -> Any:
    """The network compiled, its weights shared with the one given; it compiles at its first call.

    Args:
        label: of what it is compiled for, for the error.
        dynamic: False: anew for each shape; None: for any, once a second one has come.

    Raises:
        UserError: there is no C++ compiler, or Python's headers are not there.
    """
    if not can_compile():
        raise UserError(
            f"{label}: to compile it takes {_compiler()} and {HEADERS.name}: install g++ and python3-dev, or set its "
            "`compiled` to false."
        )
    return torch.compile(network, dynamic=dynamic)


def _compiler() -> str:
    return os.environ.get("CXX", "g++")
