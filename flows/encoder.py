"""Flow of the encoder stage: the conditioner and the judge."""

from flows.stage import DATA, Context, run
from sediff.encoder.train import train_encoder
from sediff.vocabulary import Vocabulary


def encoder(context: Context) -> str:
    """Train both, each on its own half of the training patients."""
    return train_encoder(
        context.params.encoder,
        DATA / "corpus",
        DATA / "knowledge",
        Vocabulary.load(),
        context.job,
    )


if __name__ == "__main__":
    run(encoder, computes=True, trains=True)
