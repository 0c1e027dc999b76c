"""A headless Chromium for tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--window-size=1200,900",
)


@contextmanager
def chromium(downloads: str = "") -> Iterator[webdriver.Chrome]:
    """A browser that logs its console.

    Args:
        downloads: folder for what it downloads.
    """
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    assert all(paths), "install Debian's chromium and chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if downloads:
        options.add_experimental_option("prefs", {"download.default_directory": downloads})
    driver = webdriver.Chrome(service=Service(paths[1]), options=options)
    try:
        yield driver
    finally:
        driver.quit()
