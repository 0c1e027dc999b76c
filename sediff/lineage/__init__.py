"""Where everything comes from: the graph as dvc.yaml states it, and the fingerprint of a stage."""
