"""The simulator alone, as a baseline: its class prior sampled for each condition, with no network behind it.

A record has the beat fitted to the condition's class of training records, and a course drawn from how the training
records of the condition's rhythm beat. Nothing of the condition but statements and heart rate is in it.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sediff.seeds import seed_of
from sediff.simulator.dataset import RATES, Simulator, Wanted


def simulated(folder: Path, conditions: pl.DataFrame, seed: int) -> NDArray[np.int16]:
    """One record of each condition: (n, 12, 1000) in µV.

    A rate beyond those that can be simulated is taken to the nearest one; where none is asked for, it is that at which
    the class's beat was fitted.

    Args:
        folder: what the simulator stage wrote; conditions: rows with `statements` and `heart_rate` in bpm.

    Raises:
        UserError: the simulator has not run.
    """
    simulator = Simulator.load(folder)
    morphology, codes = simulator.morphology, conditions["statements"].to_list()
    usual = dict(zip(morphology.statements, morphology.rates, strict=True))
    signals = []
    for row, (statements, of, rate) in enumerate(
        zip(codes, morphology.statement_of(codes), conditions["heart_rate"].to_list(), strict=True)
    ):
        wanted = Wanted(tuple(statements), float(np.clip(usual[of] if rate is None else rate, *RATES)))
        signals.append(simulator.simulate(wanted, 1, seed_of("prior", seed, row)).signals)
    return np.concatenate(signals)
