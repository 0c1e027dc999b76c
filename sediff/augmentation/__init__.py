"""Are the synthetic ECGs useful: classifiers trained on real, on synthetic, on both, tested on real patients."""
