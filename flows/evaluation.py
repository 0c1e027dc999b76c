"""Flow of the evaluation stage: synthetic records of held-out conditions against the real ones."""

from flows.inputs import embedding_access, pseudonyms_of
from flows.stage import DATA, Context, run
from sediff.evaluation.evaluate import evaluate
from sediff.evaluation.exposure import Folders
from sediff.vocabulary import Vocabulary


def evaluation(context: Context) -> str:
    """Measure rhythm, distribution, agreement and privacy."""
    generator = Folders(
        DATA / "simulator", DATA / "knowledge", DATA / "encoder/conditioner", DATA / "autoencoder", DATA / "diffusion"
    )
    return evaluate(
        context.params.evaluation,
        DATA / "corpus",
        DATA / "synthesis" / "evaluation",
        DATA / "encoder" / "judges",
        generator,
        Vocabulary.load(),
        pseudonyms_of(context.params),
        embedding_access(context.params),
        context.job,
    )


if __name__ == "__main__":
    run(evaluation, computes=True)
