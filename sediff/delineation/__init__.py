"""Onsets and ends of P, QRS and T in each beat, and the intervals, amplitudes and axis that follow from them."""
