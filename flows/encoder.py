"""Flow of the encoder stage: the conditioner, and apart from it the judges."""

from flows.inputs import embedding_access
from flows.stage import DATA, Context, run
from sediff.encoder.pinned import PINNED
from sediff.encoder.train_conditioner import train_conditioner
from sediff.encoder.train_judges import train_judges
from sediff.vocabulary import Vocabulary


def encoder(context: Context) -> str:
    """Train one of `conditioner` and `judges`, each on its own part of the training patients."""
    params, vocabulary = context.params.encoder, Vocabulary.load()
    if context.item == "judges":
        return train_judges(params, DATA / "corpus", PINNED, vocabulary, context.job)
    access = embedding_access(context.params)
    return train_conditioner(params, DATA / "corpus", DATA / "knowledge", vocabulary, access, context.job)


if __name__ == "__main__":
    run(encoder, computes=True, trains=True, items=("conditioner", "judges"))
