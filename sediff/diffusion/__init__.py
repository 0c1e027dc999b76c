"""Latent diffusion of ECGs, informed by the simulator (SE-Diff, part 3)."""
