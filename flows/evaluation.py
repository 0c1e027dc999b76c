"""Flow of the evaluation stage: synthetic records of held-out conditions against the real ones."""

from flows.inputs import embedding_access, pseudonyms_of
from flows.stage import DATA, Context, run
from sediff.cohort.simulate import true_values
from sediff.evaluation.evaluate import evaluate
from sediff.evaluation.exposure import Folders, OwnFits
from sediff.sources import VIRTUAL
from sediff.vocabulary import Vocabulary


def evaluation(context: Context) -> str:
    """Measure rhythm, distribution, agreement and privacy."""
    generator = Folders(
        DATA / "simulator", DATA / "knowledge", DATA / "encoder/conditioner", DATA / "autoencoder", DATA / "diffusion"
    )
    params = context.params
    # Of a restricted source the judged records have pseudonyms, which name nobody whose truth is known.
    simulated = all(source.name == VIRTUAL and source.sharing == "open" for source in params.corpus.sources)
    own = OwnFits(params.simulator.record_steps, params.diffusion.morphology.worst_error)
    return evaluate(
        params.evaluation,
        DATA / "corpus",
        DATA / "synthesis" / "evaluation",
        DATA / "synthesis" / "augmentation",
        DATA / "encoder" / "judges",
        generator,
        Vocabulary.load(),
        pseudonyms_of(params),
        embedding_access(params),
        context.job,
        own,
        true_values(params.cohort) if simulated else None,
    )


if __name__ == "__main__":
    run(evaluation, computes=True)
