"""Where a continued training starts: with the weights that an earlier training of the same network ended with."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sediff.errors import UserError
from sediff.layers import read_tensors


@dataclass(frozen=True)
class Start:
    """Weights of earlier trainings. The optimiser and the learning rate begin anew (a warm restart).

    Attributes:
        folder: with `<label>.safetensors` of each training.
        share: of the steps of a training from nothing that a continued one takes.
    """

    folder: Path
    share: float

    def load(self, network: nn.Module, label: str) -> None:
        """Give a network the weights that it starts with.

        Raises:
            UserError: they are missing, damaged, or another network's.
        """
        path = self.folder / f"{label}.safetensors"
        tensors = read_tensors(path)
        try:
            network.load_state_dict(tensors)
        except RuntimeError:
            raise UserError(
                f"{path}, from which the training of {label} continues, has the weights of another network: set "
                "publication.continued_steps to 0, and refresh."
            ) from None
