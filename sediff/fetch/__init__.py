"""Fetching a corpus from PhysioNet: its own layout, resumed where it stopped, verified file by file."""
