"""The PROV document, as the `prov` library reads it, and the page, as a browser shows it."""

import json
import shutil
from datetime import datetime

import pytest
from prov.constants import PROV_ACTIVITY, PROV_AGENT, PROV_ENTITY
from prov.model import ProvDocument, ProvElement

from sediff.lineage.audit import audit
from sediff.lineage.page import page_html
from sediff.lineage.prov_document import prov_document, prov_json
from sediff.lineage.provenance import Lineage

KINDS = {"entity": PROV_ENTITY, "activity": PROV_ACTIVITY, "agent": PROV_AGENT}


@pytest.fixture(scope="module")
def lineage(made) -> Lineage:
    return audit(made, "evaluation/000005")


def test_the_document_has_every_node_and_relation(lineage):
    document = ProvDocument.deserialize(content=prov_json(lineage), format="json")
    assert document == prov_document(lineage), "what was written is read again"
    elements = {str(one.identifier): one for one in document.get_records(ProvElement)}
    assert len(elements) == len(lineage.nodes)
    for node in lineage.nodes.values():
        assert any(one.label == node.label and one.get_type() == KINDS[node.kind] for one in elements.values())
    relations = [record for record in document.get_records() if not record.is_element()]
    assert len(relations) == len(lineage.links)
    for relation in relations:
        ends = [str(value) for _, value in relation.formal_attributes[:2]]
        assert set(ends) <= elements.keys()


def test_a_stage_has_the_times_of_its_run(lineage):
    document = prov_document(lineage)
    (stage,) = (one for one in document.get_records(ProvElement) if one.label == "diffusion")
    assert stage.get_startTime() == datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    assert (stage.get_endTime() - stage.get_startTime()).total_seconds() == 2.5


def test_the_document_is_valid_prov_json(lineage):
    """The sections of the W3C submission's schema, and in each the two ends that a relation must have."""
    document = json.loads(prov_json(lineage))
    ends = {
        "wasGeneratedBy": "prov:entity",
        "used": "prov:activity",
        "wasDerivedFrom": "prov:generatedEntity",
        "wasAssociatedWith": "prov:activity",
    }
    assert document.keys() == {"prefix", "entity", "activity", "agent", *ends}
    for relation, end in ends.items():
        assert all(end in entry for entry in document[relation].values())
    assert prov_json(lineage) == prov_json(lineage)


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    assert all(paths), "install Debian's chromium and chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service(paths[1]), options=options)
    yield driver
    driver.quit()


def test_one_walks_from_the_record_to_a_raw_file_with_the_keyboard(lineage, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    page = tmp_path / "page.html"
    page.write_text(page_html(lineage), encoding="utf-8")
    browser.get(page.as_uri())

    def here() -> str:
        return browser.find_element(By.CSS_SELECTOR, "section.here").get_attribute("data-label")

    def follow(label: str) -> None:
        for link in browser.find_elements(By.CSS_SELECTOR, "#map a"):
            if link.find_element(By.TAG_NAME, "title").get_attribute("textContent").startswith(label):
                link.send_keys(Keys.ENTER)
                WebDriverWait(browser, 10).until(lambda _: here().startswith(label))
                return
        raise AssertionError(f"no way to {label} from {here()}")

    matched = lineage.nodes["record:evaluation/000005"]
    assert here() == matched.label
    record = next(link.target for link in lineage.before(matched.key) if link.target.startswith("record:"))
    raw = next(link.target for link in lineage.before(record) if link.target.startswith("raw:"))
    follow(lineage.nodes[record].label)
    follow(lineage.nodes[raw].label)
    assert lineage.nodes[raw].facts["sha256"] in browser.find_element(By.CSS_SELECTOR, "section.here").text
    assert browser.execute_script("return document.activeElement.classList.contains('here')"), "a reader is told"
    browser.back()
    WebDriverWait(browser, 10).until(lambda _: here() == lineage.nodes[record].label)
    search = browser.find_element(By.TAG_NAME, "input")
    search.send_keys("diffusion", Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda _: here() == "diffusion")
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in requests if not name.startswith(("data:", "file:"))] == []
    assert browser.get_log("browser") == []


def test_the_page_can_be_read_by_anybody(lineage, browser, tmp_path):
    """Without scripts all is there; each field has a label, each part a heading, each link a name."""
    page = tmp_path / "page.html"
    page.write_text(page_html(lineage), encoding="utf-8")
    browser.get(page.as_uri())
    count = browser.execute_script("return document.querySelectorAll('section[aria-labelledby] > h2').length")
    assert count == len(lineage.nodes)
    for broken in (
        "[...document.querySelectorAll('input')].filter(i => !i.labels.length)",
        "[...document.querySelectorAll('main a')].filter(a => !document.getElementById(a.hash.slice(1)))",
        "[...document.querySelectorAll('a')].filter(a => !a.textContent.trim())",
        "[...document.querySelectorAll('#map a')].filter(a => !a.querySelector('title'))",
        "[...document.querySelectorAll('th')].filter(th => !th.scope)",
    ):
        assert browser.execute_script(f"return {broken}.length") == 0, broken
    assert browser.execute_script("return document.documentElement.lang") == "en"


def test_texts_of_rows_are_escaped(lineage):
    assert "<script>alert(1)" in lineage.root.facts["text"]
    assert "<script>alert(1)" not in page_html(lineage)
