"""Flow of the evaluation stage: synthetic records of held-out conditions against the real ones."""

from flows.inputs import pseudonyms_of
from flows.stage import DATA, Context, run
from sediff.evaluation.evaluate import evaluate
from sediff.vocabulary import Vocabulary


def evaluation(context: Context) -> str:
    """Measure rhythm, distribution, agreement and distance to the training records."""
    return evaluate(
        context.params.evaluation,
        DATA / "corpus",
        DATA / "synthesis" / "evaluation",
        DATA / "encoder" / "judges",
        DATA / "autoencoder",
        Vocabulary.load(),
        context.out,
        context.report,
        context.params.reproducibility.seed,
        pseudonyms_of(context.params),
    )


if __name__ == "__main__":
    run(evaluation, computes=True)
