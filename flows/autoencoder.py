"""Flow of the autoencoder stage: E, D, D_beat and the latents of the training records."""

from flows.stage import DATA, Context, run
from sediff.autoencoder.train import train_autoencoder


def autoencoder(context: Context) -> str:
    """Train the VAE."""
    return train_autoencoder(
        context.params.autoencoder,
        DATA / "corpus",
        context.job,
    )


if __name__ == "__main__":
    run(autoencoder, computes=True, trains=True)
