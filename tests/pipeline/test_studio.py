"""The studio's page with the models of a whole run: in a browser, and against what should not reach it."""

import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import wfdb
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from sediff.errors import UserError
from sediff.studio.serve import LOOPBACK, bind
from tests.browsers import chromium
from tests.pipeline.clone import MAIN, sediff

PATIENCE = 120  # s: other tests may be using the cores
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)> sinus rhythm"


@pytest.fixture(scope="module")
def port(project) -> Iterator[int]:
    """Where a studio of the project serves; Ctrl-C ends it without a word."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", MAIN, "studio"],
        cwd=project[0],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PREFECT")},
    )
    assert process.stdout
    said = ""
    while not (found := re.search(r"^sediff studio: http://127\.0\.0\.1:(\d+) \(Ctrl-C ends it\)\n", said, re.M)):
        line = process.stdout.readline()  # the first may be that the index is built again
        assert line, f"it ended: {said}"
        said += line
    yield int(found[1])
    process.send_signal(2)
    assert process.wait(30) == 0
    assert process.stdout.read() == ""


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    """Where the browser puts what is downloaded."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads):
    with chromium(str(downloads)) as driver:
        yield driver


def ask(port: int, body: bytes | dict, **headers: str) -> tuple[int, dict, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request("POST", "/ecgs", content, sent)
    response = connection.getresponse()
    return response.status, json.loads(response.read()), dict(response.getheaders())


def get(port: int, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read(), dict(response.getheaders())


def make(browser, port: int, text: str, **fields: str) -> None:
    """Type and press as a user does, and wait for the ECG or a sentence."""
    browser.get(f"http://127.0.0.1:{port}/")
    for name, value in {"text": text, **fields}.items():
        field = browser.find_element(By.ID, name)
        field.clear()
        field.send_keys(value)
    browser.find_element(By.ID, "make").click()
    done(browser)


def done(browser) -> None:
    ready = "return !document.getElementById('make').disabled && document.getElementById('picture').complete"
    WebDriverWait(browser, PATIENCE).until(lambda driver: driver.execute_script(ready))


def word(browser, name: str) -> str:
    return browser.find_element(By.ID, name).text


def test_a_text_becomes_an_ecg_on_paper(browser, port):
    browser.get(f"http://127.0.0.1:{port}/")
    Select(browser.find_element(By.ID, "sex")).select_by_value("female")
    for name, value in (("age", "71"), ("heart_rate", "110")):
        browser.find_element(By.ID, name).send_keys(value)
    browser.find_element(By.ID, "text").send_keys(Keys.CONTROL, Keys.ENTER)
    done(browser)
    assert browser.execute_script("return document.getElementById('picture').naturalWidth") > 0
    picture = browser.find_element(By.ID, "picture")
    assert "SYNTHETIC · atrial fibrillation, 71 years, female, 110 bpm" in picture.get_attribute("alt")
    pixels = np.asarray(Image.open(io.BytesIO(picture.screenshot_as_png)).convert("RGB")).astype(int)
    assert (pixels.max(-1) < 100).sum() > 1000 and (pixels[..., 0] - pixels[..., 1] > 10).mean() > 0.05
    rate = browser.find_element(By.CSS_SELECTOR, "#measures tr").find_elements(By.TAG_NAME, "td")
    assert rate[0].text == "110" and abs(float(rate[2].text) - 110) < 40
    assert len(browser.find_elements(By.CSS_SELECTOR, "#measures tr")) == 5
    assert "similar records, weighed by likeness: " in word(browser, "report") and "query:" in word(browser, "source")
    assert "atrial fibrillation" in word(browser, "understood")
    assert word(browser, "command").startswith("sediff generate 'atrial fibrillation' --age 71 --sex female")
    first = picture.get_attribute("src")
    browser.find_element(By.ID, "another").click()
    done(browser)
    assert browser.find_element(By.ID, "seed").get_attribute("value") == "1"
    assert picture.get_attribute("src") != first
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith((f"http://127.0.0.1:{port}/", "data:")) for name in requests)
    assert browser.get_log("browser") == []


def test_everything_has_a_label(browser, port):
    browser.get(f"http://127.0.0.1:{port}/")
    unlabelled = "return [...document.querySelectorAll('input,select,textarea')].filter(e => !e.labels.length).length"
    assert browser.execute_script(unlabelled) == 0
    assert browser.execute_script("return document.documentElement.lang") == "en"


def test_markup_is_shown_and_does_nothing(browser, port):
    make(browser, port, SCRIPT)
    assert SCRIPT in browser.find_element(By.ID, "picture").get_attribute("alt")
    assert browser.execute_script("return document.querySelectorAll('main script, main img').length") == 1
    assert browser.execute_script("return document.getElementById('picture').naturalWidth") > 0
    assert browser.get_log("browser") == []


def test_a_mistake_is_one_sentence_on_the_page(browser, port):
    make(browser, port, " . ")
    assert word(browser, "error").startswith("The text is empty: say what the ECG should show")
    (entry,) = browser.get_log("browser")
    assert "422" in entry["message"], "the browser's own line, and no other"
    make(browser, port, "sinus rhythm")
    assert word(browser, "error") == ""


def test_the_page_gives_wfdb_and_pdf(browser, port, downloads):
    make(browser, port, "sinus rhythm")
    for name in ("wfdb", "pdf"):
        browser.find_element(By.ID, name).click()
    files = downloads / "ecg.zip", downloads / "ecg.pdf"
    WebDriverWait(browser, PATIENCE).until(lambda driver: all(file.is_file() for file in files))
    with zipfile.ZipFile(files[0]) as archive:
        archive.extractall(downloads)
    assert wfdb.rdrecord(str(downloads / "ecg000000")).comments[1] == "asked: sinus rhythm"
    assert files[1].read_bytes()[:4] == b"%PDF"


def test_what_is_downloaded_is_what_generate_writes(project, port, tmp_path):
    status, told, _ = ask(port, {"text": "atrial fibrillation", "age": 71, "seed": 3})
    assert status == 201
    status, content, _ = get(port, f"{told['files']}/ecg.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    record = wfdb.rdrecord(str(tmp_path / "ecg000000"))
    assert record.p_signal.shape == (1000, 12) and record.comments[0].startswith("SYNTHETIC")
    sediff(project[0], "generate", "atrial fibrillation", "--age", "71", "--seed", "3", "--out", str(tmp_path / "out"))
    assert (tmp_path / "out/ecg000.dat").read_bytes() == (tmp_path / "ecg000000.dat").read_bytes()
    status, content, headers = get(port, f"{told['files']}/ecg.pdf")
    assert (status, headers["content-type"], content[:4]) == (200, "application/pdf", b"%PDF")
    assert ask(port, {"text": "atrial fibrillation", "age": 71, "seed": 3})[1] == told


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        ({"text": "x" * 2001}, {}, 422, "The text has 2001 characters: 2000 are the most."),
        ({"text": ""}, {}, 422, "The text is empty"),
        ({"text": ["AF"]}, {}, 422, "What was sent is not what this page sends."),
        ({"text": "AF", "age": 121}, {}, 422, "An age is a number of years from 0 to 120."),
        ({"text": "AF", "age": "<b>"}, {}, 422, "An age is a number of years from 0 to 120."),
        ({"text": "AF", "sex": "x"}, {}, 422, "A sex is female or male, or left open."),
        ({"text": "AF", "heart_rate": 5}, {}, 422, "A heart rate is a number of beats a minute from 20 to 300."),
        ({"text": "AF", "seed": -1}, {}, 422, "A seed is a whole number from 0 to 2147483647."),
        ({"text": "AF", "records": 10**6}, {}, 422, "What was sent is not what this page sends."),
        (b"[" * 15_000, {}, 422, "What was sent is not what this page sends."),
        (b'{"text": "' + b"x" * 100_000 + b'"}', {}, 413, "That is too much text."),
        ({"text": "AF"}, {"Content_Type": "text/plain"}, 415, "This page sends JSON."),
        ({"text": "AF"}, {"Host": "evil.example:80"}, 403, "This page is for this machine's browser"),
        ({"text": "AF"}, {"Origin": "https://evil.example"}, 403, "Another page may not ask for ECGs."),
        ({"text": "AF"}, {"Origin": "null"}, 403, "Another page may not ask for ECGs."),
    ],
)
def test_what_should_not_reach_it_is_refused(port, body, headers, status, sentence):
    answer, told, _ = ask(port, body, **headers)
    assert (answer, list(told)) == (status, ["error"])
    assert told["error"].startswith(sentence)


def test_every_answer_is_guarded(port):
    for path, status in (("/", 200), ("/page.js", 200), ("/none", 404), ("/ecgs/none/ecg.svg", 404), ("/ecgs", 404)):
        answer, content, headers = get(port, path)
        assert answer == status
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert b"http://" not in content and b"https://" not in content
    status, content, headers = get(port, "/", Host="evil.example")
    assert status == 403 and b"<html" not in content and "content-security-policy" in headers
    assert get(port, "/../../params.yaml")[0] == 404


def test_it_listens_on_loopback_alone(port):
    table = Path("/proc/net/tcp").read_text().split("\n")[1:]
    local = [line.split()[1] for line in table if line and line.split()[3] == "0A"]
    assert [address for address in local if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_a_taken_port_is_one_sentence(project, port):
    result = subprocess.run(
        [sys.executable, "-c", MAIN, "studio", "--port", str(port)],
        cwd=project[0], capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"sediff: error: Port {port} cannot be had (Address already in use): give another --port, or none."
    )


def test_who_connects_before_it_serves_waits():
    with bind(0) as bound:
        port = bound.getsockname()[1]
        socket.create_connection((LOOPBACK, port), timeout=1).close()
        with pytest.raises(UserError, match=f"Port {port} cannot be had"):
            bind(port)


def test_one_ecg_is_made_at_a_time_and_few_wait(port):
    from concurrent.futures import ThreadPoolExecutor

    started = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda seed: ask(port, {"text": "sinus rhythm", "seed": seed}), range(12)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {201, 503}, f"after {time.monotonic() - started:.0f} s"
    assert {told["error"] for status, told, _ in answers if status == 503} == {
        "Others are waiting for their ECG: try again in a few seconds."
    }
    made = next(i for i, status in enumerate(statuses) if status == 201)
    assert ask(port, {"text": "sinus rhythm", "seed": made})[1] == answers[made][1]
