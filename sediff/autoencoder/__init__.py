"""VAE on the eight independent leads, with the beat decoder that lets physics speak about a latent."""
