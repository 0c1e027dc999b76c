"""The studio's page as a person sees it: `python benchmarks/studio.py CLONE [--prompts 10]`.

`sediff studio` serves the models of the clone's last run; headless Chromium types a text, presses the button and waits
until the ECG is drawn on the page. Told are the seconds from the command to the open page, those of the first ECG and
those of the following ones, each of a text of its own. Beside them, in the same run, the way without the page:
`sediff generate` of the same texts, each from a cold shell to a picture. Other work on the machine lengthens all.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.browsers import chromium

SEDIFF = [sys.executable, "-u", "-c", "from sediff.cli import main; main()"]
FINDINGS = ("sinus rhythm, normal ECG", "atrial fibrillation", "complete left bundle branch block, sinus rhythm")
PATIENCE = 120  # s
DRAWN = "const p = arguments[0]; return p.complete && p.naturalWidth > 0 && p.src !== arguments[1]"


def texts(count: int) -> list[str]:
    """Texts that differ from each other, so that nothing is answered from what was kept."""
    return [f"{40 + number} year old, {FINDINGS[number % len(FINDINGS)]}" for number in range(count)]


def shown(browser: Chrome, text: str) -> float:
    """Seconds from the press of the button until another ECG than before is drawn."""
    field, picture = browser.find_element(By.ID, "text"), browser.find_element(By.ID, "picture")
    before = picture.get_property("src")
    field.clear()
    field.send_keys(text)
    started = time.perf_counter()
    browser.find_element(By.ID, "make").click()
    WebDriverWait(browser, PATIENCE, 0.01).until(lambda driver: driver.execute_script(DRAWN, picture, before))
    return time.perf_counter() - started


def on_the_page(clone: Path, prompts: list[str]) -> tuple[float, list[float]]:
    """Seconds until the page is open, and those of each ECG."""
    with chromium() as browser:
        started = time.perf_counter()
        with subprocess.Popen([*SEDIFF, "studio"], cwd=clone, stdout=subprocess.PIPE, text=True) as process:
            try:
                found = re.search(r"http://\S+", next(iter(process.stdout or ()), ""))
                if found is None:
                    raise SystemExit(f"sediff studio did not start in {clone}: run the pipeline there first.")
                browser.get(found[0])
                opened = time.perf_counter() - started
                seconds = [shown(browser, text) for text in prompts]
            finally:
                process.send_signal(signal.SIGINT)
    return opened, seconds


def from_a_shell(clone: Path, prompts: list[str]) -> list[float]:
    """Seconds of `sediff generate` with a picture, a process for each text."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(prompts):
            started = time.perf_counter()
            command = [*SEDIFF, "generate", text, "--out", f"{folder}/{number}"]
            subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
    return seconds


def spread(seconds: list[float]) -> str:
    """Median and range."""
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--prompts", type=int, default=10)
    arguments = parser.parse_args()
    prompts = texts(arguments.prompts)
    opened, page = on_the_page(arguments.clone, prompts)
    shell = from_a_shell(arguments.clone, prompts[:3])
    print(f"from the command to the open page: {opened:.1f} s")
    print(f"the first ECG: {page[0]:.2f} s; the following {len(page) - 1}: {spread(page[1:])}")
    ratio = median(shell) / median(page[1:])
    print(f"sediff generate of {len(shell)} of the texts: {spread(shell)}, {ratio:.1f} times as long")


if __name__ == "__main__":
    main()
