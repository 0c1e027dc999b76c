import re
from pathlib import Path

import pytest

from sediff.files import write_json
from sediff.report.build import build_report
from sediff.report.gates import check_gates
from sediff.report.params import GatesParams
from sediff.report.tables import knowledge_tables
from sediff.report.words import PICTURES, gate_asks
from tests.browsers import chromium

METRICS = {
    "heart_rate": {"mae_bpm": 2.5},
    "agreement": {"auroc_synthetic": 0.9, "auroc_real": 0.95},
    "distribution": {
        "coverage": 0.9,
        "synthetic": {"fd": {"median": 5.0}},
        "real": {"fd": {"median": 2.0}},
    },
    "note": "<script>alert(1)</script>",
}
GATES = GatesParams.model_validate(
    {"evaluation.heart_rate.mae_bpm": {"max": 3}, "evaluation.distribution.coverage": {"min": 0.5}}
)


@pytest.fixture
def reports(tmp_path) -> Path:
    folder = tmp_path / "reports"
    write_json(folder / "corpus/metrics.json", {"records": 10, "sources": {"<b>mine</b>": 10}})
    write_json(folder / "evaluation/metrics.json", METRICS)
    curve = {"x": [1.0, 2.0, 3.0], "y": [3.0, 1.0, 0.1]}
    off = {**curve, "y": [0.0, 0.0, 0.0]}
    write_json(folder / "diffusion/curves.json", {"denoiser": {"loss": curve, "euler": off}})
    (folder / "evaluation/plots").mkdir()
    picture = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 10'><rect width='10' height='10' fill='red'/>"
        "<text>Real: ISC_, NDT</text></svg>"
    )
    (folder / "evaluation/plots/pair-00.svg").write_text(picture)
    manifest = {
        "stage": "corpus",
        "fingerprint": "f" * 64,
        "inputs": {"data/sources": "a" * 64},
        "parameters": {"x": 1},
    }
    write_json(tmp_path / "data/corpus/manifest.json", manifest)
    return folder


def build(reports: Path, gates: GatesParams = GATES, **options) -> Path:
    page = reports / "index.html"
    build_report(reports, reports.parent / "data", gates, page, reports / "report", **options)
    return page


def test_a_term_that_is_off_has_no_curve(reports):
    page = build(reports).read_text()
    assert "denoiser: loss" in page
    assert "denoiser: euler" not in page


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        ({"max": 2.5}, True),
        ({"max": 2.4}, False),
        ({"min": 2.5}, True),
        ({"min": 2.6}, False),
        ({"min": 1, "max": 2}, False),
    ],
)
def test_a_gate_holds_at_its_bound(gate, passed):
    gates = GatesParams.model_validate({"evaluation.heart_rate.mae_bpm": gate})
    assert [result.passed for result in check_gates({"evaluation": METRICS}, gates)] == [passed]


def test_a_metric_that_is_not_there_does_not_pass():
    (result,) = check_gates({}, GatesParams.model_validate({"evaluation.nothing": {"max": 1}}))
    assert result.value is None
    assert not result.passed


def test_the_page_is_a_pure_function_of_its_inputs(reports):
    first = build(reports).read_bytes()
    assert build(reports).read_bytes() == first


def test_untrusted_text_is_escaped(reports):
    text = build(reports).read_text()
    assert "<script>alert" not in text
    assert "<b>mine" not in text


def test_a_restricted_corpus_shows_no_real_record(reports):
    assert "pair-00" in build(reports).read_text()
    assert "pair-00" not in build(reports, restricted=True).read_text()


def test_a_restricted_corpus_shows_no_small_count_wherever_it_stands(reports):
    corpus = {
        "records": 7,
        "sources": {"clinic": 137},
        "quarantine": {"flat": 4, "nan": 61, "clipped": 72},
        "cells": [{"old": [33, 3]}],
        "unmapped": {"Frau Beispiel, Zimmer 4": 44},
    }
    write_json(reports / "corpus/metrics.json", corpus)
    write_json(reports / "evaluation/metrics.json", METRICS | {"privacy": {"near_copies": 8, "planted": 1.0}})
    names = ("corpus.records", "evaluation.privacy.near_copies", "evaluation.privacy.planted")
    gates = GatesParams.model_validate({name: {"min": 0.5} for name in names})

    def cells(**options) -> list[str]:
        page = build(reports, gates, **options).read_text()
        return re.findall(r"<(?:td|b)(?: class=\S+)?>([^<]*)</", page)

    shown, hidden = cells(), cells(restricted=True)
    assert {"7", "8", "4", "61", "72", "44"} <= set(shown)
    assert {"137", "72", "1"} <= set(hidden), "large counts and ratios stay"
    assert not {"7", "8", "4", "44", "3"} & set(hidden), "as a tile, a gate, a row"
    assert "61" not in hidden, "the sum would tell the 4"
    assert hidden.count("fewer than 10") == 7, "the near-copies also in their table"
    assert "corpus.records" in hidden
    assert not any("Beispiel" in cell for cell in hidden)
    assert any("[33, 3]" in cell for cell in shown)
    assert not any("33, 3]" in cell for cell in hidden), "in a list"


CELLS = """Corpus {corpus}

AUROC on real patients.

### superclasses

Tested on 12 <b>real</b> records.

| arm | AUROC |
|---|---|
| real | 0.9 |
| synthetic | 2 not run: 4 min |

### thinned (exploratory)

| arm | AUROC |
|---|---|
| both | – |

| arm | nearest kept case |
|---|---|
| both | 0.8 |
"""


def test_cells_of_queues_are_shown_as_their_tables(reports):
    (reports / "tables").mkdir()
    (reports / "tables/study.md").write_text(CELLS.format(corpus="f" * 64))
    text = build(reports).read_text()
    assert re.findall("<h3>(.*?)</h3>", text)[-3:] == ["superclasses", "thinned (exploratory)", "thinned (exploratory)"]
    for cell in ("synthetic", "2 not run: 4 min", "0.8"):
        assert f"<td>{cell}</td>" in text
    assert "Tested on 12 &lt;b&gt;real&lt;/b&gt; records." in text
    assert "---" not in text
    assert "rest on another corpus" not in text
    assert text.count("sediff ablate --list") == 1, "its cells are not there"
    hidden = build(reports, restricted=True).read_text()
    assert "<td>0.8</td>" not in hidden
    (reports / "tables/study.md").write_text(CELLS.format(corpus="e" * 64))
    assert "rest on another corpus" in build(reports).read_text()


def test_nothing_run_is_said(tmp_path):
    text = build(tmp_path / "reports").read_text()
    assert text.count("Not run.") >= 8
    assert "Gates failed" in text


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


def test_the_page_works_in_a_browser_without_a_network(reports, browser):
    from selenium.webdriver.common.by import By

    browser.get(build(reports).as_uri())
    assert browser.get_log("browser") == []
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in requests if not name.startswith(("data:", "file:"))] == []
    head = browser.find_element(By.CSS_SELECTOR, "table.sortable th button")
    column = "return [...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[0].textContent)"
    head.click()
    ascending = browser.execute_script(column)
    head.click()
    assert browser.execute_script(column) == ascending[::-1]
    assert ascending == sorted(ascending)
    browser.find_element(By.CSS_SELECTOR, "button.zoom").click()
    assert browser.execute_script("return document.querySelector('dialog').open")
    unlabelled = "return [...document.querySelectorAll('img:not([alt])')].filter(i => !i.closest('dialog')).length"
    assert browser.execute_script(unlabelled) == 0


def test_gates_that_failed_stand_first_and_say_by_how_much(reports):
    bounds = {"heart_rate.mae_bpm": {"max": 3}, "distribution.coverage": {"min": 0.95}, "nothing": {"min": 1}}
    gates = GatesParams.model_validate({f"evaluation.{name}": bound for name, bound in bounds.items()})
    table = build(reports, gates).read_text().partition("<h2>Gates</h2>")[2].partition("</table>")[0]
    rows = [re.findall("<td.*?>(.*?)</td>", row, re.DOTALL) for row in table.split("<tr>")[2:]]
    assert rows == [
        [gate_asks(metric := "evaluation.distribution.coverage"), metric, "at least 0.95", "0.9", "0.05", "no"],
        [metric := "evaluation.nothing", metric, "at least 1", "not measured", "–", "no"],
        [gate_asks(metric := "evaluation.heart_rate.mae_bpm"), metric, "at most 3", "2.5", "-0.5", "yes"],
    ]


def test_the_distance_of_a_hidden_count_is_hidden_too(reports):
    write_json(reports / "corpus/metrics.json", {"records": 7})
    gates = GatesParams.model_validate({"corpus.records": {"min": 100}})
    assert "<td>93</td>" in build(reports, gates).read_text()
    assert "<td>93</td>" not in build(reports, gates, restricted=True).read_text()


def test_the_distance_of_a_gate_whose_cell_is_left_out_is_hidden_too(reports):
    crossed = {"slices": {"sex_and_age": {"female_under_40": {"records": 24}}}}
    write_json(reports / "evaluation/metrics.json", METRICS | crossed)
    gates = GatesParams.model_validate({"evaluation.slices.sex_and_age.female_under_40.records": {"min": 20}})
    tables = [build(reports, gates, restricted=restricted).read_text() for restricted in (False, True)]
    cells = [re.findall("<td.*?>(.*?)</td>", table.partition("<h2>Gates</h2>")[2])[2:6] for table in tables]
    assert cells == [["at least 20", "24", "-4", "yes"], ["at least 20", "not shown", "–", "yes"]]


def test_what_was_asked_of_the_synthesis_is_on_the_page(reports):
    assert "<h3>Asked</h3>" not in build(reports).read_text()
    parts = [{"text": "left <i>bundle</i>", "records": 16}]
    manifest = {"stage": "synthesis@dataset", "fingerprint": "d" * 64, "inputs": {}}
    write_json(
        reports.parent / "data/synthesis/dataset/manifest.json",
        manifest | {"parameters": {"synthesis.dataset": parts}},
    )
    write_json(reports / "synthesis/dataset/metrics.json", {"records": 17, "statements": {"CLBBB": 16}})
    text = build(reports).read_text()
    assert "<td>dataset</td><td>left &lt;i&gt;bundle&lt;/i&gt;</td><td>16</td>" in text
    assert "<td>dataset</td><td>17</td>" in text


SHUFFLED = """### sorted

| figure | absent |
|---|---|
| 0.9 | – |
| not run | b |
| −0.5 (−0.7 to −0.3) |  |
| 1,234 | a |
| 1AVB | – |
| -0.2 | 2 |
| 0.85 | 10 |
| 999 | c |
| +0.5 ± 0.1 | 1e-05 |
"""


def test_columns_are_sorted_by_the_numbers_that_cells_begin_with(reports, browser):
    (reports / "tables").mkdir()
    (reports / "tables/study.md").write_text(SHUFFLED)
    browser.get(build(reports).as_uri())
    region = "document.querySelector('[aria-label=\"Studies of usefulness: sorted\"]')"

    def sort(column: int) -> list[str]:
        browser.execute_script(f"{region}.querySelectorAll('th button')[{column}].click()")
        return browser.execute_script(
            f"return [...{region}.querySelector('tbody').rows].map(r => r.cells[{column}].textContent)"
        )

    sizes = ["−0.5 (−0.7 to −0.3)", "-0.2", "+0.5 ± 0.1", "0.85", "0.9", "999", "1,234", "1AVB", "not run"]
    assert sort(0) == sizes
    assert sort(0) == sizes[::-1]
    assert sort(1)[:6] == ["1e-05", "2", "10", "a", "b", "c"]
    assert sort(1)[:6] == ["c", "b", "a", "10", "2", "1e-05"]
    assert set(sort(1)[6:]) == {"", "–"}, "absent figures come last"


def test_a_figure_on_a_tile_may_be_withheld(reports):
    """Of 43 records 41 are covered: two are not."""
    distribution = METRICS["distribution"] | {"coverage": 0.953488}
    write_json(reports / "evaluation/metrics.json", METRICS | {"records": 43, "distribution": distribution})
    gates = GatesParams.model_validate({"evaluation.distribution.coverage": {"min": 0.5}})
    assert build(reports, gates).read_text().count("0.953488") == 1
    hidden = build(reports, gates, restricted=True).read_text()
    assert "0.953488" not in hidden
    assert hidden.count("not shown") == 3, "as a tile, a gate and a row"


def test_too_few_real_records_leave_the_judges_tile_without_them(reports):
    write_json(reports / "evaluation/metrics.json", {**METRICS, "agreement": {"auroc_synthetic": 0.876}})
    page = build(reports).read_text()
    assert "0.876" in page
    assert "AUROC of the judge that reads synthetic records" in page


def test_what_a_language_model_wrote_is_a_table(reports):
    asked = {
        "distillers": {"llm:m": 90, "offline": 10},
        "fallbacks": {"refusal": 3},
        "answers": 120,
        "answers_asked_again": 30,
        "prompt_tokens": 120_000,
        "completion_tokens": 24_000,
    }
    (table,) = knowledge_tables(asked)
    assert ("experiences by llm:m", "90") in table.rows and ("prompt tokens", "120,000") in table.rows
    assert ("of those distilled offline, fell back for refusal", "3") in table.rows
    assert knowledge_tables({"distillers": {"offline": 100}, "fallbacks": {}}) == []
    write_json(reports / "knowledge/metrics.json", asked)
    assert "fell back for refusal" in build(reports).read_text()


def test_pictures_say_what_they_draw(reports):
    (reports / "evaluation/plots/rhythm.png").write_bytes(b"\x89PNG")
    (reports / "evaluation/plots/other.png").write_bytes(b"\x89PNG")
    captions = re.findall("<figcaption>(.*?)</figcaption>", build(reports).read_text())
    assert "ISC_ (non-specific ischemia), NDT (non-diagnostic T wave abnormalities)" in captions
    assert PICTURES["evaluation/plots/rhythm"] in captions
    assert "other" in captions, "by its name, where nobody wrote a sentence"


def test_usefulness_is_a_table_of_arms(reports):
    arm = {"macro_auroc": 0.85, "low": 0.8, "high": 0.9, "auroc": {"NORM": 0.88, "CD": 0.82}}
    arms = {"real": arm, "synthetic": arm, "both": arm, "real_records": 1000, "synthetic_records": 900}
    write_json(reports / "augmentation/metrics.json", {**arms, "classes": ["NORM", "CD"]})
    table = build(reports).read_text().partition("<h3>Arms</h3>")[2].partition("</table>")[0]
    head, *rows = [re.findall("<t[hd]>(.*?)</t[hd]>", row) for row in table.split("<tr>")[1:]]
    assert head[4:] == ["NORM (normal ECG)", "CD (conduction disturbance)"]
    told = ["0.85 (0.8 to 0.9)", "0.88", "0.82"]
    assert rows == [["real", "1,000", "–", *told], ["synthetic", "–", "900", *told], ["both", "1,000", "900", *told]]


def test_the_page_is_no_wider_than_a_telephone(reports, browser):
    write_json(reports / "synthesis/dataset/metrics.json", {"records": 1234})
    narrow = {"width": 500, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    browser.get(build(reports).as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(section => { section.open = true; })")
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert "<b>1,234</b>synthetic records made as asked" in (reports / "index.html").read_text()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
