"""What is seen of the page, in screenshots of a headless Chromium: pictures, tables, the verdict, nothing cut off."""

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from sediff.report.build import build_report
from sediff.report.params import GatesParams
from tests.browsers import chromium

LOW = {"evaluation.mae": {"max": 3}}
RED, GREEN = (163, 38, 27), (23, 101, 58)  # --bad and --good of the light page
# A picture that is there may not be decoded yet, and what is decoded is drawn with a later frame.
DRAWN = """
const done = arguments[0], pictures = [...document.querySelectorAll(".zoom img")];
pictures.forEach(each => { each.decoding = "sync" });
Promise.all([document.fonts.ready, ...pictures.map(each => each.decode())])
  .then(() => requestAnimationFrame(() => requestAnimationFrame(() => done(true))), () => done(false));
"""
CUT_OFF = """
const wide = e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
return [...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll table, svg") && wide(e))
  .map(e => e.outerHTML.slice(0, 120));
"""


@pytest.fixture(scope="module")
def browser(page) -> Iterator[Chrome]:
    """The page on light, with all sections unfolded."""
    with chromium() as driver:
        opened(driver, page.as_uri())
        yield driver


def opened(driver: Chrome, address: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    driver.get(address)
    driver.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true })")
    driver.set_script_timeout(60)
    assert driver.execute_async_script(DRAWN), "each picture"


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def whole(driver: Chrome) -> NDArray[np.uint8]:
    """The page from head to foot."""
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    return pixels(base64.b64decode(taken["data"]))


def part(seen: NDArray[np.uint8], element: WebElement) -> NDArray[np.uint8]:
    """An element of the whole page; its own screenshot ends with the window."""
    x, y, width, height = (round(element.rect[name]) for name in ("x", "y", "width", "height"))
    return seen[y : y + height, x : x + width]


def drawn(seen: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a picture differs from its most frequent colour."""
    numbers = seen.astype(int) @ (1 << 16, 1 << 8, 1)
    colours, counts = np.unique(numbers, return_counts=True)
    return numbers != colours[counts.argmax()]


def width_of(colour: tuple[int, int, int], seen: NDArray[np.uint8]) -> float:
    """Share of a picture's columns in which a colour is seen."""
    return float((seen == colour).all(-1).any(0).mean())


def test_the_page_is_seen_from_head_to_foot_and_twice_the_same(browser, page):
    first = whole(browser)
    assert first.shape[0] > browser.execute_script("return document.documentElement.scrollHeight") - 2
    with chromium() as another:
        opened(another, page.as_uri())
        assert np.array_equal(whole(another), first)
        assert another.get_log("browser") == []


def test_every_picture_is_drawn(browser):
    pictures = browser.find_elements(By.CSS_SELECTOR, ".zoom img")
    assert len(pictures) == 16
    seen = whole(browser)
    for picture in pictures:
        ink = drawn(part(seen, picture))
        assert min(ink.any(0).mean(), ink.any(1).mean()) > 0.6, "from side to side and from top to bottom"


def test_every_curve_is_drawn(browser):
    chart = part(whole(browser), browser.find_element(By.CSS_SELECTOR, ".charts svg"))
    assert drawn(chart).any(0).mean() > 0.8
    assert width_of((35, 90, 151), chart) > 0.3, "in its own colour, its edges aside"


def test_every_table_is_seen(browser):
    tables = browser.find_elements(By.TAG_NAME, "table")
    assert len(tables) >= 6
    seen = whole(browser)
    for table in tables:
        assert drawn(part(seen, table.find_element(By.CSS_SELECTOR, "tbody tr"))).mean() > 0.005


@pytest.mark.parametrize("width", [1200, 800, 390])
def test_nothing_is_cut_off_at_the_side(browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert browser.execute_script("return innerWidth") == width
        assert browser.execute_script(CUT_OFF) == [], "a wide table is scrolled in its own frame"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


HIGHEST = """
const frames = [...document.querySelectorAll("[aria-label$=': numbers']")];
const frame = frames.sort((a, b) => b.scrollHeight - a.scrollHeight)[0];
"""
WIDENED = f"""{HIGHEST}
frame.querySelectorAll("tr").forEach(row => [...Array(30)].forEach(() =>
  row.append(Object.assign(document.createElement(row.firstElementChild.tagName), {{textContent: "12.345"}}))));
frame.scrollIntoView(); frame.scrollTo(frame.scrollWidth, frame.scrollHeight);
return frame.scrollLeft > 300 && frame.scrollTop > 300;
"""
ON_TOP = f"""{HIGHEST}
const at = frame.getBoundingClientRect();
return [[5, 5], [5, 100], [at.width - 60, 5]].map(([x, y]) => document.elementFromPoint(at.left + x, at.top + y))
  .map(e => e.closest("th, td").tagName + e.closest("th, td").cellIndex);
"""


@pytest.mark.parametrize(("width", "stays"), [(1000, True), (390, False)])
def test_what_a_row_is_called_stays_in_sight(page, width, stays):
    """In a table that is wider and higher than its frame; on a telephone it would hide the numbers."""
    with chromium() as driver:
        opened(driver, page.as_uri())
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert driver.execute_script(WIDENED)
        corner, beside, above = driver.execute_script(ON_TOP)
        assert (corner == "TH0", beside == "TD0") == (stays, stays)
        assert corner[:2] == above[:2] == "TH" and above != "TH0" and beside[:2] == "TD"


def test_the_verdict_is_seen_first_and_in_its_colour(browser, page):
    reports, data = page.parent / "reports", page.parent / "data"
    passing = page.with_name("passing.html")
    build_report(reports, data, GatesParams.model_validate(LOW), passing, page.parent / "passing", simulated=True)
    with chromium() as another:
        opened(another, passing.as_uri())
        seen = {"bad": browser, "good": another}
        for name, driver in seen.items():
            verdict = driver.find_element(By.CLASS_NAME, "verdict")
            assert verdict.rect["y"] + verdict.rect["height"] < 450, "without scrolling"
            own, other = (RED, GREEN) if name == "bad" else (GREEN, RED)
            shown = pixels(verdict.screenshot_as_png)
            assert width_of(own, shown) > 0.02
            assert width_of(other, shown) == 0
