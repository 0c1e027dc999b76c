"""Each bound of drift, just kept and just broken by corpora whose distance is known."""

from typing import Any

import pytest

from sediff.publication.drift import beyond, drift
from sediff.publication.params import DriftParams

BEFORE: dict[str, Any] = {
    "records": 100,
    "quarantined": 0,
    "statements": {"NORM": 50, "LBBB": 50},
    "sources": {"ptb-xl": 50, "clinic": 50},
    "sites": {"A": 50, "B": 50},
}


@pytest.mark.parametrize(
    ("name", "moved", "by"),
    [
        ("records", {"records": 125}, 0.25),
        ("quarantined", {"quarantined": 100}, 0.5),  # as many set aside as kept
        ("statements", {"statements": {"NORM": 75, "LBBB": 25}}, 0.25),
        ("sources", {"sources": {"ptb-xl": 100}}, 0.5),
        ("sites", {"sites": {"C": 7}}, 1.0),
    ],
)
def test_what_moved_is_measured_and_bounded_by_itself(name, moved, by):
    found = drift(BEFORE, {**BEFORE, **moved})
    assert found == {**dict.fromkeys(found, 0.0), name: pytest.approx(by)}
    assert beyond(found, DriftParams(**{name: by})) == []
    (told,) = beyond(found, DriftParams(**{**dict.fromkeys(found, 1.0), name: by - 0.01}))
    assert told == f"{name} moved by {by:.3f} (publication.drift.{name}: {by - 0.01:g})"


def test_fewer_records_are_as_far_as_more():
    assert drift(BEFORE, {**BEFORE, "records": 75})["records"] == 0.25
