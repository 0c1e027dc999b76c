"""Are the synthetic ECGs any good: rhythm, distribution, agreement with the condition, distance to training records."""
