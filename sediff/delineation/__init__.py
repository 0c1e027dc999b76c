"""Onsets and ends of P, QRS and T in each beat, and the intervals, amplitudes and axis that follow from them."""

from sediff.delineation.beats import Delineation, delineate
from sediff.delineation.intervals import Measurements, measure

__all__ = ["Delineation", "Measurements", "delineate", "measure"]
