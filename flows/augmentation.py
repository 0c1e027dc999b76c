"""Flow of the augmentation stage: classifiers trained on real, on synthetic, and on both."""

from flows.inputs import pseudonyms_of
from flows.stage import DATA, Context, run
from sediff.augmentation.augment import train_classifiers
from sediff.vocabulary import Vocabulary


def augmentation(context: Context) -> str:
    """Train the classifiers and test them on real held-out patients."""
    return train_classifiers(
        context.params.augmentation,
        DATA / "corpus",
        DATA / "synthesis" / "augmentation",
        Vocabulary.load(),
        pseudonyms_of(context.params),
        context.job,
    )


if __name__ == "__main__":
    run(augmentation, computes=True, trains=True)
