"""The public page of a whole run: no small count can be had from what is shown."""

import json
from pathlib import Path

from sediff.report.public import HIDDEN, SMALLEST_CELL, public
from tests.report.test_public import possible


def test_of_a_whole_run_no_small_count_can_be_had(project):
    folder: Path = project[0] / "reports"
    metrics = {
        path.parent.relative_to(folder).as_posix(): json.loads(path.read_text())
        for path in folder.rglob("metrics.json")
    }
    corpus, shown = metrics["corpus"], public(metrics)["corpus"]
    for name in ("splits", "sexes", "sources", "report_languages", "quarantine"):
        assert all(values == set(range(1, 10)) for values in possible(shown[name], sum(corpus[name].values()))), name
    hidden = [count for count in corpus["statements"].values() if count < SMALLEST_CELL]
    assert [cell for cell in shown["statements"].values() if cell == HIDDEN] == [HIDDEN] * len(hidden)
