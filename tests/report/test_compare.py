"""Two runs on one page, and the page in a browser."""

import base64
import re
from pathlib import Path

import pytest

from sediff.report.compare import Run, compare_page, compared
from sediff.report.gates import check_gates
from sediff.report.params import GatesParams
from tests.browsers import chromium
from tests.report.test_accessibility import CONTRASTS, ENOUGH_CONTRAST, UNNAMED, WITHOUT_HEADING

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GATES = GatesParams.model_validate({"evaluation.fd.median": {"max": 2.0}})


def evaluation(fd: float, half: float, coverage: float) -> dict:
    return {"fd": {"median": fd, "low": fd - half, "high": fd + half}, "coverage": coverage, "left_out": ["<i>few</i>"]}


def run(name: str, metrics: dict, pictures: dict[str, bytes] | None = None, curves: dict | None = None) -> Run:
    return Run(name, metrics, pictures or {}, check_gates(metrics, GATES), curves or {})


FIRST = run("ecg@v0.0.1", {"corpus": {"records": 140}, "evaluation": evaluation(1.0, 0.3, 0.9)})
SECOND = run(
    "working <tree>",
    {"corpus": {"records": 143}, "evaluation": {**evaluation(2.1, 0.4, 0.8), "new": 1}},
    {"evaluation/plots/rhythm.png": PNG},
)


def rows(first: Run, second: Run) -> dict:
    return {row.metric: row for row in compared("evaluation", first.metrics, second.metrics)}


def test_a_difference_has_the_uncertainty_of_both():
    found = rows(FIRST, SECOND)
    assert (found["fd.median"].difference, found["fd.median"].beyond) == ("+1.1 ± 0.5", "yes")
    assert (found["coverage"].difference, found["coverage"].beyond) == ("-0.1", ""), "it has no interval"
    assert (found["new"].first, found["new"].second, found["new"].difference) == ("–", "1", "–")
    alone = run("alone", {"evaluation": {"fd": {"median": 2.0}}})
    assert (rows(FIRST, alone)["fd.median"].difference, rows(FIRST, alone)["fd.median"].beyond) == ("+1", "")
    near = run("near", {"evaluation": evaluation(1.2, 0.3, 0.9)})
    assert rows(FIRST, near)["fd.median"].beyond == "no"
    assert rows(FIRST, near)["coverage"].difference == "0"


def test_a_restricted_page_shows_no_small_counts_and_no_pictures():
    few = run("few", {"corpus": {"records": 7}, "evaluation": {"fd": {"median": 1.0}}})
    page = compare_page(few, SECOND, restricted=True)
    assert "fewer than 10" in page
    assert "data:image/png" not in page
    assert "<td>7</td>" not in page
    assert "+136" not in page, "a difference would tell the count"


def test_learning_curves_and_pairs_of_ecgs_of_both_stand_beside_each_other():
    curve = {"x": [1.0, 2.0, 3.0], "y": [3.0, 1.0, 0.1]}
    names = [f"evaluation/plots/pair-{number:02d}.svg" for number in (0, 1)]
    runs = [
        run(
            name,
            {"diffusion": {"steps": 3}, "evaluation": {"records": 9}},
            {path: f"<svg>{name}</svg>".encode() for path in drawn},
            {"diffusion": {"denoiser": terms}},
        )
        for name, drawn, terms in (
            ("one", names, {"loss": curve, "gone": curve}),
            ("two", names[:1], {"loss": curve | {"y": [2.0, 1.0, 0.5]}}),
        )
    ]
    page = compare_page(*runs, False)
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert [chart.count("<polyline") for chart in charts] == [1, 2], "denoiser: gone, loss"
    assert charts[1].count('class="curve second"') == 1
    assert 'aria-label="from 3 to 0.1; from 2 to 0.5"' in charts[1]
    assert page.count("data:image/svg+xml;base64,") == 3
    assert page.count("Not there.") == 1
    assert "data:image" not in compare_page(*runs, True)


def test_gates_say_how_far_each_lies_beyond_its_bound_unless_its_value_is_hidden():
    gates = GatesParams.model_validate({"evaluation.fd.median": {"max": 2.0}, "corpus.records": {"min": 100}})
    few = {"corpus": {"records": 7}, "evaluation": {"fd": {"median": 1.0}}}
    runs = [Run(name, of, {}, check_gates(of, gates)) for name, of in (("few", few), ("many", SECOND.metrics))]

    def cells(restricted: bool) -> list[list[str]]:
        table = compare_page(*runs, restricted).partition("<h2>Gates</h2>")[2].partition("</table>")[0]
        return [re.findall("<td.*?>(.*?)</td>", row, re.DOTALL)[1:] for row in table.split("<tr>")[2:]]

    assert cells(False)[0] == ["evaluation.fd.median", "at most 2", "1", "-1", "2.1", "0.1", "+1.1"]
    assert cells(False)[1] == ["corpus.records", "at least 100", "7", "93", "143", "-43", "+136"]
    assert cells(True)[1] == ["corpus.records", "at least 100", "fewer than 10", "–", "143", "-43", "–"]


def test_the_distance_of_a_gate_whose_cell_is_left_out_does_not_tell_it():
    metric = "evaluation.slices.sex_and_age.female_under_40.records"
    gates = GatesParams.model_validate({metric: {"min": 20}})
    runs = [
        Run(name, metrics, {}, check_gates(metrics, gates))
        for name, records in (("few", 24), ("many", 31))
        for metrics in [{"evaluation": {"slices": {"sex_and_age": {"female_under_40": {"records": records}}}}}]
    ]
    cells = [
        re.findall("<td.*?>(.*?)</td>", compare_page(*runs, restricted).partition("<h2>Gates</h2>")[2])[1:8]
        for restricted in (False, True)
    ]
    assert cells[0] == [metric, "at least 20", "24", "-4", "31", "-11", "+7"]
    assert cells[1] == [metric, "at least 20", *["–"] * 5]


def test_what_one_run_withholds_the_other_beside_it_does_not_show():
    """records - train - test = 3 of validation, if either shows how many the test records are."""
    splits = {"train": 99, "validation": 3, "test": 38}
    runs = [
        run("split", {"corpus": {"records": 140, "splits": splits}}),
        run("tested", {"corpus": {"records": 140}, "autoencoder": {"test_records": 38}}),
    ]
    assert "<td>38</td>" in compare_page(*runs, restricted=False)
    assert "<td>38</td>" not in compare_page(*runs, restricted=True)


def test_rare_statements_stand_beside_each_other_whatever_their_counts():
    told = {"low": 0.7, "high": 0.9}
    runs = [
        run(name, {"evaluation": {"agreement": {"rare": {"statements": {"WPW": cases, "RVH": 9}, **of_sets}}}})
        for name, cases, auroc in (("one", 12, 0.8), ("two", 14, 0.85))
        for pool in [{"cases": cases + 9, **{key: {"value": auroc, **told} for key in ("auroc", "auprc")}}]
        for of_sets in [{"synthetic": pool, "real": pool}]
    ]
    table = compare_page(*runs, False).partition("<h3>Statements</h3>")[2].partition("</table>")[0]
    rows = [re.findall("<td>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
    assert rows[0] == ["WPW (Wolff-Parkinson-White syndrome)", "Cases", "12", "14", "+2", ""]
    assert rows[1] == ["rare ones, pooled", "Cases", "21", "23", "+2", ""]
    assert rows[2][2:] == ["0.8 (0.7 to 0.9)", "0.85 (0.7 to 0.9)", "+0.05 ± 0.14", "no"]
    assert len(rows) == 6, "both cases, and two scores of two sets"


def effect(value: float, half: float, records: int) -> dict:
    side = {"value": value, "low": value - half, "high": value + half}
    made = dict.fromkeys(("synthetic", "reconstructed", "simulator"), side)
    return {"qt_on_rr": {"records": records, **made, "real": {**side, "value": 140}}}


def test_the_reports_tables_stand_there_with_the_difference_of_each_figure():
    runs = [
        run(name, {"evaluation": {"effects": effect(value, half, 50)}})
        for name, value, half in (("one", 100.0, 3.0), ("two", 110.0, 4.0))
    ]
    page = compare_page(*runs, False)
    table = page.partition("<h3>Effects</h3>")[2].partition("</table>")[0]
    assert "Left out, as they are the same in both: 2 of 6." in table, "the number of records, and no ratio"
    assert re.findall("<th>(.*?)</th>", table) == [
        "Effect", "Figure", "one", "two", "Difference", "Beyond chance",
    ]  # fmt: skip
    first = re.findall("<td>(.*?)</td>", table)[:6]
    assert first == [
        "QT on RR (ms for each s)", "Synthetic", "100 (97 to 103)", "110 (106 to 114)", "+10 ± 5", "yes",
    ]  # fmt: skip


def test_a_restricted_pages_tables_hide_counts_and_their_differences():
    runs = [
        run(name, {"evaluation": {"effects": effect(100.0, 3.0, records)}}) for name, records in (("a", 7), ("b", 5000))
    ]
    rows = [
        compare_page(*runs, restricted).partition("<h3>Effects</h3>")[2].partition("</table>")[0]
        for restricted in (False, True)
    ]
    assert "<td>7</td><td>5,000</td><td>+4,993</td>" in rows[0]
    assert "<td>fewer than 10</td><td>5,000</td><td>–</td>" in rows[1]


def test_the_page_is_a_pure_function_of_what_it_compares():
    assert compare_page(FIRST, SECOND, False) == compare_page(FIRST, SECOND, False)


def test_the_page_says_that_runs_measured_on_the_same_patients_are_not_independent():
    words = " ".join(compare_page(FIRST, SECOND, False).split())
    assert "where they are measured on the same real patients it is too wide rather than too narrow" in words


def manifest(stage: str, fingerprint: str, **parts) -> dict:
    return {"stage": stage, "fingerprint": fingerprint * 64, "inputs": {}, "parameters": {}, "code": {}} | parts


def rows_of(page: str, heading: str) -> list[list[str]]:
    body = page.partition(heading)[2].partition("</table>")[0].partition("<tbody>")[2]
    return [re.findall("<td>(.*?)</td>", row) for row in body.split("<tr>")[1:]]


def test_provenance_says_what_both_rest_on_and_what_differs():
    shared = manifest("corpus", "c", parameters={"corpus": {"shards": 16}})
    trained = [
        manifest(
            "diffusion",
            digit,
            inputs={"data/corpus": "a" * 64, "data/autoencoder": digit * 64},
            parameters={"diffusion": {"steps": steps, "width": 8}},
            code={"sediff/diffusion": digit, "constraints.txt": "0"},
        )
        for digit, steps in (("1", 200), ("2", 300))
    ]
    runs = [
        Run(name, {"corpus": {"records": 140}}, {}, [], manifests=manifests)
        for name, manifests in (("one", [shared, trained[0]]), ("two", [shared, trained[1], manifest("report", "3")]))
    ]
    assert rows_of(compare_page(*runs, False), "<h2>Provenance</h2>") == [
        ["corpus", "c" * 16, "c" * 16, "none", "the same", "none"],
        [
            *("diffusion", "1" * 16, "2" * 16, f"data/autoencoder {'1' * 16} → {'2' * 16}", "sediff/diffusion"),
            "diffusion.steps 200 → 300",
        ],
        ["report", "–", "3" * 16, "–", "–", "–"],
    ]
    assert not rows_of(compare_page(FIRST, SECOND, False), "<h2>Provenance</h2>")


def test_what_was_asked_stands_there_where_it_is_not_the_same():
    runs = [
        Run(name, {"synthesis/dataset": {"records": 32 + more}}, {}, [], manifests=[manifest("synthesis@dataset", "d")
            | {"parameters": {"synthesis.dataset": [{"text": "sinus rhythm", "records": 16},
                                                    {"text": "atrial flutter", "records": 16 + more}]}}])
        for name, more in (("one", 0), ("two", 4))
    ]  # fmt: skip
    page = compare_page(*runs, False)
    asked = ["dataset", "atrial flutter", "Records", "16", "20", "+4", ""]
    assert rows_of(page, "<h3>Asked</h3>") == [asked], "the other part is the same in both"
    assert rows_of(page, "<h3>Made</h3>") == [["dataset", "Records", "32", "36", "+4", ""]]


STUDY = """Corpus {}

### superclasses

Tested.

| arm | AUROC |
|---|---|
| real | {} |
| both | 5 not run: about 9 min |
"""


def test_tables_of_queues_of_both_stand_there_with_what_is_not_run():
    runs = [
        Run(name, {"corpus": {"records": 140}}, {}, [], manifests=[manifest("corpus", digit)], queues={"study": text})
        for name, digit, text in (
            ("one", "c", STUDY.format("c" * 64, 0.81)),
            ("two", "d", STUDY.format("e" * 64, 0.83)),
        )
    ]
    page = compare_page(*runs, False)
    for name, auroc in (("one", "0.81"), ("two", "0.83")):
        found = rows_of(page, f"<h3>{name}: superclasses</h3>")
        assert found == [["real", auroc], ["both", "5 not run: about 9 min"]]
    words = " ".join(page.split())
    assert "The cells of two rest on another corpus" in words
    assert "The cells of one rest" not in words
    assert words.count("No tables of either are here.") == 1, "the ablation's"
    hidden = compare_page(*runs, True)
    assert "0.81" not in hidden
    assert "its tables, which count few patients, are not shown" in hidden


def test_the_head_has_the_same_tiles_for_both():
    tiles = re.findall('<div class="tile"><b>(.*?)</b>(.*?)</div>', compare_page(FIRST, SECOND, False))
    assert tiles == [("140", "real records read"), ("143", "real records read")]
    few = run("few", {"corpus": {"records": 7}})
    assert "<b>fewer than 10</b>" in compare_page(few, SECOND, restricted=True)


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


def test_the_page_works_in_a_browser_without_a_network(browser, tmp_path: Path):
    from selenium.webdriver.common.by import By

    path = tmp_path / "compare.html"
    path.write_text(compare_page(FIRST, SECOND, False), encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", path.read_text())
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    verdicts = [element.text for element in browser.find_elements(By.CSS_SELECTOR, ".verdict")]
    assert verdicts == ["ecg@v0.0.1: All gates passed", "working <tree>: Gates failed: evaluation.fd.median"]
    cells = "return [...document.querySelectorAll('table')].map(t => [...t.tBodies[0].rows].map(r => r.innerText))"
    tables = browser.execute_script(cells)
    assert any("+1.1 ± 0.5" in row and "at most 2" in row for row in tables[0]), "the gates come first"
    head = browser.find_element(By.CSS_SELECTOR, "table.sortable th button")
    head.click()
    assert head.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    browser.find_element(By.CSS_SELECTOR, "button.zoom").click()
    assert browser.execute_script("return document.querySelector('dialog').open")
    assert "Not there." in path.read_text(), "the first has no such picture"
    unlabelled = "return [...document.querySelectorAll('img:not([alt])')].filter(i => !i.closest('dialog')).length"
    assert browser.execute_script(unlabelled) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_for_everybody(browser, tmp_path: Path, scheme):
    """As the report: contrast, names of tables and controls, and no scrolling sideways on a telephone."""
    one, two = (
        Run(of.name, of.metrics, of.pictures, of.gates, {}, [manifest("corpus", digit)], {"study": STUDY.format("", 1)})
        for of, digit in ((FIRST, "1"), (SECOND, "2"))
    )
    path = tmp_path / "compare.html"
    path.write_text(compare_page(one, two, False), encoding="utf-8")
    narrow = {"width": 500, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    browser.execute_script("document.querySelectorAll('details').forEach(section => { section.open = true; })")
    contrasts = browser.execute_script(CONTRASTS)
    assert [(name, ratio) for name, ratio in contrasts if ratio < ENOUGH_CONTRAST] == []
    assert browser.execute_script(UNNAMED) == []
    tables, without = browser.execute_script(WITHOUT_HEADING)
    assert tables >= 6 and without == 0
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
