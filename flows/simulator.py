"""Flow of the simulator stage: McSharry's morphology for each statement and lead."""

from flows.stage import DATA, Context, run
from sediff.simulator.fit import fit_simulator
from sediff.vocabulary import Vocabulary


def simulator(context: Context) -> str:
    """Fit the training records' median beats."""
    return fit_simulator(context.params.simulator, DATA / "corpus", Vocabulary.load(), context.out, context.report)


if __name__ == "__main__":
    run(simulator, computes=True)
