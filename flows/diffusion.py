"""Flow of the diffusion stage: the denoiser, informed by the simulator."""

from flows.inputs import embedding_access
from flows.stage import DATA, Context, run
from sediff.diffusion.train import train_diffusion
from sediff.vocabulary import Vocabulary


def diffusion(context: Context) -> str:
    """Train the denoiser."""
    return train_diffusion(
        context.params.diffusion,
        DATA / "corpus",
        DATA / "simulator",
        DATA / "knowledge",
        DATA / "encoder" / "conditioner",
        DATA / "autoencoder",
        Vocabulary.load(),
        context.job,
        embedding_access(context.params),
    )


if __name__ == "__main__":
    run(diffusion, computes=True, trains=True)
