"""What an outsider can work out from the numbers that are shown: here every hidden cell is tried."""

import json
from itertools import product
from typing import Any

import pytest

from sediff.report.public import HIDDEN, SMALLEST_CELL, WITHHELD, public, public_runs


def possible(shown: dict, total: int) -> list[set[int]]:
    """For each hidden cell of a table the counts that it could have, given the table's sum and what is said of it."""
    hidden = [name for name, cell in shown.items() if isinstance(cell, str)]
    rest = total - sum(cell for cell in shown.values() if isinstance(cell, int))
    small = [name for name in hidden if shown[name] == HIDDEN]
    found: list[set[int]] = [set() for _ in small]
    for counts in product(range(1, SMALLEST_CELL), repeat=len(small)):
        left, withheld = rest - sum(counts), len(hidden) - len(small)
        if left >= SMALLEST_CELL * withheld if withheld else left == 0:
            for values, count in zip(found, counts, strict=True):
                values.add(count)
    return found


@pytest.mark.parametrize(
    "table",
    [
        {"a": 4, "b": 61, "c": 72},
        {"a": 1, "b": 10, "c": 50},
        {"a": 1, "b": 1, "c": 300, "d": 40},
        {"a": 9, "b": 9, "c": 25, "d": 26, "e": 27},
    ],
)
def test_a_hidden_cell_could_be_any_small_count(table):
    shown = public({"corpus": {"records": sum(table.values()), "sexes": table}})["corpus"]["sexes"]
    assert all(values == set(range(1, 10)) for values in possible(shown, sum(table.values())))


def test_a_table_without_small_counts_is_shown():
    metrics = {"corpus": {"records": 150, "sexes": {"female": 70, "male": 80, "unknown": 0}}}
    assert public(metrics) == metrics


def test_where_no_cell_is_left_the_sum_is_not_shown_either():
    cells = {"a": 3, "b": 10, "c": 10, "d": 12}
    assert public({"corpus": {"records": 35, "sexes": cells}})["corpus"]["records"] == WITHHELD
    shown = public({"corpus": {"records": 14, "sexes": {"a": 3, "b": 11}}, "knowledge": {"profiles": 14}})
    assert shown == {
        "corpus": {"records": WITHHELD, "sexes": {"a": HIDDEN, "b": WITHHELD}},
        "knowledge": {"profiles": WITHHELD},
    }


def test_a_split_cannot_be_had_from_another_stage():
    """validation = records - train - test, if any stage shows how many the test records are."""
    metrics = {
        "corpus": {"records": 140, "splits": {"train": 99, "validation": 3, "test": 38}},
        "autoencoder": {"test_records": 38, "training": 99, "error": 12.5},
        "encoder/judges": {"text": {"records": 38, "hits": {"at_1": 0.5263}}},
        "knowledge": {"profiles": 140},
    }
    shown = public(metrics)
    assert "38" not in json.dumps(shown)
    assert shown["encoder/judges"]["text"]["hits"]["at_1"] == WITHHELD, "20 of 38: it tells 38"
    assert shown["knowledge"]["profiles"] == 140 and shown["autoencoder"]["training"] == 99


def test_what_is_withheld_in_one_table_is_covered_in_the_next():
    sexes = {"female": 38, "male": 50, "unknown": 52}
    metrics = {"corpus": {"records": 140, "splits": {"train": 99, "validation": 3, "test": 38}, "sexes": sexes}}
    assert public(metrics)["corpus"]["sexes"] == {"female": WITHHELD, "male": WITHHELD, "unknown": 52}


def test_a_table_that_adds_up_to_nothing_that_is_known_loses_its_small_counts_alone():
    """Of statements a record has several: their sum is no number of records."""
    statements = {"NORM": 90, "SR": 120, "AFIB": 4}
    shown = public({"corpus": {"records": 150, "statements": statements}})["corpus"]
    assert shown == {"records": 150, "statements": {"NORM": 90, "SR": 120, "AFIB": HIDDEN}}


def test_what_is_left_of_a_total_is_a_cell_that_nobody_named():
    rhythm = {name: {"records": count, "irregular": 0.25} for name, count in (("SR", 400), ("AFIB", 64), ("ST", 32))}
    shown = public({"evaluation": {"records": 500, "rhythm": rhythm}})["evaluation"]["rhythm"]
    assert [row["records"] for row in shown.values()] == [400, 64, WITHHELD]
    assert shown["SR"]["irregular"] == 0.25


def test_a_hidden_share_cannot_be_had_from_another_and_their_difference():
    """6 of 300 real records are irregular, 60 of the synthetic ones."""
    found = {"records": 300, "synthetic": 0.2, "reconstructed": 0.21, "real": 0.02}
    found |= {"difference": {"synthetic": {"mean": 0.18, "low": -0.01}}, "over_real": {"synthetic": 10.0}}
    shown = public({"evaluation": {"irregular_sinus": found}})["evaluation"]["irregular_sinus"]
    assert shown["synthetic"] == 0.2 and shown["real"] == WITHHELD
    assert shown["difference"] == {"synthetic": {"mean": WITHHELD, "low": WITHHELD}}
    assert shown["over_real"] == {"synthetic": WITHHELD}
    many = found | {"real": 0.15}
    assert public({"evaluation": {"irregular_sinus": many}})["evaluation"]["irregular_sinus"] == many


def test_a_hidden_share_s_interval_and_difference_do_not_tell_it():
    """3 of 2,000 real records break a rule, none of the synthetic ones."""
    none, few = {"share": 0.0, "low": 0.0, "high": 0.0021}, {"share": 0.0015, "low": 0.0005, "high": 0.0049}
    found = {"records": 2000, "synthetic": none, "reconstructed": none, "real": few}
    found |= {"difference": {"synthetic": {"mean": -0.0015, "low": -0.0035, "high": 0.0}}}
    shown = public({"evaluation": {"voltage": found}})["evaluation"]["voltage"]
    assert shown["synthetic"] == none
    assert shown["real"] == dict.fromkeys(few, WITHHELD)
    assert set(shown["difference"]["synthetic"].values()) == {WITHHELD}


@pytest.mark.parametrize(
    ("share", "size", "hidden"),
    [
        (0.1034, 29, True),  # 3 of 29
        (0.896552, 29, True),  # 26 of 29: 3 are not
        (0.344828, 29, False),  # 10 of 29
        (0.5, 8, True),
        (0.523943, 43, False),  # no share of 43: an AUROC
        (0.0, 29, False),  # as a count of 0 is shown
        (1.0, 29, False),
        (2.5, 29, False),
        (0.0004, 19601, True),
        (0.25, 19601, False),
    ],
)
def test_a_share_that_tells_a_small_count_is_hidden(share, size, hidden):
    above = public({"encoder/judges": {"text": {"records": size, "hits": {"at_1": share}}}})
    beside = public({"evaluation": {"records": size, "share": share}})
    assert (above["encoder/judges"]["text"]["hits"]["at_1"] == WITHHELD) == hidden
    assert (beside["evaluation"]["share"] == WITHHELD) == hidden


@pytest.mark.parametrize(("value", "hidden"), [(-0.02, True), (0.02, True), (-0.2, False), (-0.1234567, False)])
def test_a_difference_that_tells_a_small_count_is_hidden_with_its_interval(value, hidden):
    """6 of 300 real records show a pattern that no synthetic one does."""
    figure = {"value": value, "low": -0.21, "high": 0.21}
    shown = public({"evaluation": {"records": 300, "impossible": figure}})["evaluation"]["impossible"]
    assert shown == (dict.fromkeys(figure, WITHHELD) if hidden else figure)


def test_a_cell_of_few_cannot_be_told_from_two_tables_and_their_crossing():
    """Of 100 women 95 are in bands that are shown: five are not."""
    bands = {f"female_{band}": {"records": count} for band, count in (("under_40", 45), ("40_to_60", 50))}
    slices = {"sex": {"female": {"records": 100}, "male": {"records": 120}}, "sex_and_age": bands}
    shown = public({"evaluation": {"records": 220, "slices": slices}})["evaluation"]["slices"]
    assert shown == {"sex": slices["sex"]}


def test_a_row_of_all_is_the_sum_of_its_table_and_no_part_of_it():
    """400 less 350 and 43: seven are of a rhythm that nobody named."""
    rhythms = {name: {"records": count} for name, count in (("all", 400), ("sinus", 350), ("tachycardia", 43))}
    shown = public({"evaluation": {"records": 400, "intervals": {"pr": rhythms}}})["evaluation"]["intervals"]["pr"]
    assert [row["records"] for row in shown.values()] == [400, 350, WITHHELD]
    few = {name: {"records": count} for name, count in (("all", 25), ("sinus", 20))}
    assert public({"evaluation": {"records": 400, "rr": few}})["evaluation"]["rr"]["sinus"]["records"] == WITHHELD
    alone = public({"evaluation": {"records": 400, "rr": {"sinus": {"records": 395}}}})["evaluation"]["rr"]
    assert alone["sinus"]["records"] == WITHHELD


def test_a_row_of_all_that_leaves_many_or_nobody_is_shown_with_the_others():
    for sinus in (357, 340):
        rhythms = {name: {"records": count} for name, count in (("all", 400), ("sinus", sinus), ("tachycardia", 43))}
        metrics = {"evaluation": {"records": 400, "median_beats": rhythms}}
        assert public(metrics) == metrics


@pytest.mark.parametrize("outside", [("failures",), ("synthetic", "failures"), ("sets", "synthetic", "failures")])
def test_counts_however_deep_in_the_rows_are_a_column(outside):
    """12, 3 and 10 of 25: any two and the sum tell the third."""

    def row(count: int) -> dict:
        nested: Any = count
        for key in reversed(outside):
            nested = {key: nested}
        return nested

    def cell(row: Any) -> Any:
        for key in outside:
            row = row[key]
        return row

    rhythms = {"sinus": 12, "bradycardia": 3, "tachycardia": 10}
    by_rhythm = {name: {"records": 100, **row(count)} for name, count in rhythms.items()}
    tables = (
        {"rate": {"by_rhythm": {"all": {"records": 300, **row(25)}, **by_rhythm}}},
        {"rate": {"failures": 25, "by_rhythm": by_rhythm}},
    )
    for table in tables:
        shown = public({"evaluation": {"records": 300, **table}})["evaluation"]["rate"]
        counts = {name: cell(row) for name, row in shown["by_rhythm"].items()}
        whole = counts.pop("all", shown.get("failures"))
        assert counts == {"sinus": WITHHELD, "bradycardia": HIDDEN, "tachycardia": WITHHELD}
        assert whole == WITHHELD, "3 + 10 + 12 leave no room for nine"


def test_what_one_run_withholds_is_withheld_in_the_other():
    runs = [{"corpus": {"records": 140, "splits": {"train": 99, "validation": 3, "test": 38}}}, {"encoder": {"n": 38}}]
    assert public_runs(runs) == [public(runs[0]), {"encoder": {"n": WITHHELD}}]
    assert public(runs[1]) == runs[1]


def test_stages_are_no_rows_of_a_table():
    """3 + 27 + 70 make the 100 by chance: each stage counts what it reads."""
    metrics = {"corpus": {"records": 100, "words": {"WPW": 70}}, "encoder": {"words": {"WPW": 27}}}
    metrics["synthesis"] = {"words": {"WPW": 3}}
    assert public(metrics) == metrics | {"synthesis": {"words": {"WPW": HIDDEN}}}
