"""Comparisons as a resumable queue, one JSON file a cell: what `sediff ablate` and `sediff study` share."""
