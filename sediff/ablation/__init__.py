"""Trainings that differ in one thing, compared at equal samples: `sediff ablate`."""
