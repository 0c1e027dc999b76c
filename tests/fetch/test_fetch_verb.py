"""`sediff fetch` as a command: its lines, its exit status, Ctrl-C."""

import re
import signal
import subprocess
import sys
import time

from tests.fetch.site import FILES, Site, fetch, held

PATIENCE = 120  # s: other tests may be using the cores
# A shell that starts the tests in the background has them ignore Ctrl-C; the verb's own process must not.
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from sediff.cli import main; main()"


def sediff(site: Site, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "fetch", *arguments, "--base-url", site.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_verb_ends_by_one_line_or_one_sentence(site, tmp_path):
    site.faults["data/1.dat"] = ["always corrupt"]
    process = sediff(site, "ludb", str(tmp_path), "--only", "data/*", "--connections", "1")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert out == ""
    assert err.splitlines()[-1].startswith("sediff: error: 1 of 3 files of ludb 1.0.1 are left out: data/1.dat; ")
    assert "Traceback" not in err


def test_ctrl_c_stops_at_once_and_the_next_run_goes_on(site, tmp_path):
    site.faults["data/1.dat"] = ["hang"]
    process = sediff(site, "ludb", str(tmp_path), "--connections", "1")
    part = tmp_path / "data/1.dat.part"
    deadline = time.monotonic() + PATIENCE
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert err.splitlines()[-1] == "sediff: interrupted; run again, and it goes on where it stopped."
    assert "Traceback" not in err
    site.requests.clear()
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert set(site.paths()) == {"data/1.dat", "data/with space & %.dat"}, "what was verified stays known"
    assert int(site.asked("data/1.dat")[0]["Range"][6:-1]) > 0


def test_the_help_has_versions_licences_and_access(site):
    process = sediff(site, "--help")
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", process.communicate(timeout=PATIENCE)[0]).split())
    for words in ("ptb-xl 1.0.3 (CC BY 4.0, open to all", "ludb 1.0.1 (ODC-By 1.0", "mimic-iv-ecg 1.0 (ODbL 1.0"):
        assert words in text
    assert "records100/*" in text
