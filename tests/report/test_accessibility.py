"""The page for everybody: by keyboard, on paper, in both colour schemes, named for a screen reader, and not too large.

WCAG 2.2: 1.3.1 and 4.1.2 (names of tables and controls), 1.4.3 (contrast), 2.1.1 (keyboard).
"""

import base64

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browsers import chromium

LARGEST = 15 * 2**20  # bytes, of a page that mail takes
ENOUGH_CONTRAST = 4.5  # WCAG AA, of text of ordinary size

CONTRASTS = """
const channels = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = colour => {
  const [r, g, b] = channels(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if ((channels(colour)[3] ?? 1) === 1) return colour;
  }
};
const drawn = element => [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
return [...document.querySelectorAll("body *")]
  .filter(e => !["SCRIPT", "STYLE"].includes(e.tagName) && drawn(e))
  .map(e => {
    const style = getComputedStyle(e);
    const [a, b] = [luminance(e.closest("svg") ? style.fill : style.color), luminance(behind(e))];
    return [e.tagName + " " + e.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
"""
UNNAMED = """
const named = e => (e.getAttribute("aria-label") || e.textContent || "").trim() || (e.labels || []).length;
return [...document.querySelectorAll("button, input, select, textarea, [role=region], dialog")]
  .filter(e => !named(e)).map(e => e.outerHTML.slice(0, 200));
"""
WITHOUT_HEADING = """
const named = table => table.caption || table.closest("[aria-label]") || table.closest("details")?.querySelector("h2");
const tables = [...document.querySelectorAll("table")];
return [tables.length, tables.filter(t => !named(t) || ![...t.querySelectorAll("th")].every(h => h.scope)).length];
"""


@pytest.fixture(scope="module")
def browser(page):
    with chromium() as driver:
        driver.get(page.as_uri())
        yield driver


def test_the_page_can_be_mailed(page):
    pictures = sum(path.stat().st_size for path in page.parent.glob("reports/evaluation/plots/*"))
    assert pictures > 1.2 * 2**20, "a run on PTB-XL draws 1.2 MiB"
    assert page.stat().st_size < LARGEST
    assert page.stat().st_size < pictures * 4 / 3 + 2**17, "each stands there once, in base64"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    contrasts = browser.execute_script(CONTRASTS)
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 25, 30)"
    assert dark == (scheme == "dark")
    kinds = {name.split()[0] for name, _ in contrasts}
    assert {"H1", "H2", "H3", "P", "TD", "BUTTON", "STRONG", "FIGCAPTION", "CODE", "text"} <= kinds
    assert [(name, ratio) for name, ratio in contrasts if ratio < ENOUGH_CONTRAST] == []


def test_controls_and_tables_have_names(browser):
    assert browser.execute_script(UNNAMED) == []
    tables, without = browser.execute_script(WITHOUT_HEADING)
    assert tables >= 6
    assert without == 0


def test_a_section_is_unfolded_by_the_keyboard(browser):
    summary = browser.find_element(By.CSS_SELECTOR, "details:not([open]) > summary")
    section = summary.find_element(By.XPATH, "..")
    summary.send_keys(Keys.ENTER)
    assert section.get_attribute("open")
    summary.send_keys(Keys.ENTER)
    assert not section.get_attribute("open")


def test_a_column_is_reached_by_tab_and_sorted_by_enter(browser):
    """From the gates' heading; the focus is seen."""
    browser.execute_script("document.querySelector('summary').focus()")
    browser.switch_to.active_element.send_keys(Keys.TAB)
    region = browser.switch_to.active_element
    assert region.get_attribute("aria-label") == "Gates", "where it is wider than the window, arrow keys scroll it"
    region.send_keys(Keys.TAB)
    button = browser.switch_to.active_element
    assert (button.tag_name, button.text) == ("button", "What is asked")
    assert button.value_of_css_property("outline-style") == "solid"
    head = button.find_element(By.XPATH, "..")
    cells = "return [...document.querySelector('table').tBodies[0].rows].map(row => row.cells[0].textContent)"
    assert browser.execute_script(cells) == ["evaluation.mae", "corpus.records"], "the one that failed"
    button.send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    assert browser.execute_script(cells) == ["corpus.records", "evaluation.mae"]


def test_a_picture_is_enlarged_and_put_away_by_the_keyboard(browser):
    button = browser.find_element(By.CSS_SELECTOR, "button.zoom")
    button.send_keys(Keys.ENTER)
    dialog = browser.find_element(By.TAG_NAME, "dialog")
    assert dialog.get_attribute("open")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.get_attribute("open")
    assert browser.switch_to.active_element == button


def test_nothing_is_folded_or_cut_on_paper(browser):
    folded = "document.querySelectorAll('details:not([open])').length"
    before = browser.execute_script(f"return {folded}")
    assert before
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.clientHeight && e.scrollHeight > e.clientHeight)"
    assert browser.execute_script(f"return {cut}.length"), "on the screen a long table is scrolled"
    browser.execute_script(f"addEventListener('beforeprint', () => {{ window.onPaper = [{folded}, {cut}.length]; }})")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    paper = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert base64.b64decode(paper).startswith(b"%PDF")
    assert browser.execute_script("return onPaper") == [0, 0]
    assert browser.execute_script(f"return {folded}") == before, "and as it was afterwards"
