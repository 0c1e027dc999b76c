"""`sediff fetch` against a server on loopback in PhysioNet's layout, which misbehaves as it is told."""

import base64
import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from sediff.corpus.readers import READERS
from sediff.errors import UserError
from sediff.fetch import copy, download, parallel, server, verified
from sediff.fetch.corpora import CORPORA

ROOT = "/ludb/1.0.1/"
LISTING = "SHA256SUMS.txt"
BIG = bytes(range(256)) * 4096  # 1 MiB, many pieces
FILES = {
    "RECORDS": b"data/1\ndata/2\n",
    "ludb.csv": b"ID,Sex\n1,F\n",
    "data/1.hea": b"1 12 500 5000\n",
    "data/1.dat": BIG,
    "data/with space & %.dat": b"odd name",
}
USER, PASSWORD = "somebody", "sésame,ouvre-toi"


class Site(ThreadingHTTPServer):
    """Files by path; `faults` has what happens to the next requests of a path, one after the other."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.ranges = True
        self.password: str | None = None
        self.elsewhere = ""
        self.listing: bytes | None = None
        self.pause = 0.0
        self.open = self.most_open = self.accepted = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def body(self, path: str) -> bytes | None:
        if path != LISTING:
            return self.files.get(path)
        lines = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in self.files.items()]
        return self.listing if self.listing is not None else "".join(lines).encode()

    def asked(self, path: str) -> list[dict[str, str]]:
        """Headers of the requests for a path."""
        return [headers for name, headers in self.requests if name == path]

    def paths(self) -> list[str]:
        return [name for name, _ in self.requests]

    def process_request(self, request, client_address) -> None:
        self.accepted += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address) -> None:
        """Clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Site

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path).removeprefix(ROOT)
        site = self.server
        with site.lock:
            site.requests.append((path, dict(self.headers)))
            site.open += 1
            site.most_open = max(site.most_open, site.open)
            faults = site.faults[path]
            fault = faults[0] if faults[:1] and faults[0].startswith("always ") else (faults.pop(0) if faults else "")
        try:
            time.sleep(site.pause)
            self.answer(path, fault.removeprefix("always "))
        finally:
            with site.lock:
                site.open -= 1

    def answer(self, path: str, fault: str) -> None:
        site, body = self.server, self.server.body(path)
        if site.password and self.headers.get("Authorization") != site.password:
            return self.reply(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="PhysioNet"'})
        if fault == "redirect":
            return self.reply(302, b"", {"Location": f"{site.elsewhere}{self.path}"})
        if fault.startswith("busy"):
            retry_after = fault.removeprefix("busy").strip()
            return self.reply(503, b"busy", {"Retry-After": retry_after} if retry_after else {})
        if fault.isdecimal():
            return self.reply(int(fault), b"no")
        if body is None:
            return self.reply(404, b"no such file")
        if fault == "corrupt":
            body = b"X" + body[1:]
        self.send_file(body, fault)

    def send_file(self, body: bytes, fault: str) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not (asked and self.server.ranges):
            return self.reply(200, body, fault=fault)
        start = int(asked[1])
        if start >= len(body):
            return self.reply(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        self.reply(206, body[start:], {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, fault)

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, fault: str = "") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault in ("cut", "hang") else body)
        self.wfile.flush()
        if fault == "hang":
            time.sleep(30)
        if fault == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def quick_and_anonymous(monkeypatch) -> None:
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(parallel, "GRACE", 0.2)
    for name in ("PHYSIONET_USER", "PHYSIONET_PASSWORD", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def serve(files: dict[str, bytes]) -> Iterator[Site]:
    site = Site(files)
    threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield site
    site.shutdown()
    site.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve(FILES)


@pytest.fixture
def other_site() -> Iterator[Site]:
    yield from serve(FILES)


def fetch(site: Site, folder: Path, *only: str, verify: bool = False, connections: int = 2) -> str:
    return copy.fetch(CORPORA["ludb"], folder, only, verify, connections, site.url)


def held(folder: Path) -> dict[str, bytes]:
    """Files of a copy, but for the listing and the record of what was verified."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in (LISTING, verified.STATE)}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_corpus_arrives_in_its_own_layout(site, tmp_path):
    line = fetch(site, tmp_path / "new/ludb")
    assert held(tmp_path / "new/ludb") == FILES
    assert (tmp_path / "new/ludb" / LISTING).read_bytes() == site.body(LISTING)
    assert line.startswith("ludb 1.0.1: 5 files (1 MB) in ")
    assert "5 fetched now, all verified" in line
    assert site.asked("RECORDS")[0]["User-Agent"].startswith("sediff/")


def test_the_next_command_is_named(site, tmp_path):
    assert set(CORPORA) <= set(READERS)
    listing, site.files = site.body(LISTING), {}
    site.files = {"/ptb-xl/1.0.3/" + name: data for name, data in FILES.items()}
    site.files["/ptb-xl/1.0.3/" + LISTING] = listing
    line = copy.fetch(CORPORA["ptb-xl"], tmp_path / "a b", (), False, 2, f"{site.url}/")
    assert line.endswith(f"next: sediff configure --corpus '{tmp_path}/a b'")


def test_a_rerun_asks_for_what_is_missing_only(site, tmp_path):
    fetch(site, tmp_path)
    (tmp_path / "ludb.csv").unlink()
    site.requests.clear()
    assert ", 1 fetched now" in fetch(site, tmp_path)
    assert site.paths() == ["ludb.csv"]


def test_known_files_are_hashed_again_only_to_verify(site, tmp_path):
    fetch(site, tmp_path)
    path = tmp_path / "data/1.hea"
    stat = path.stat()
    path.write_bytes(b"X" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ", 0 fetched now" in fetch(site, tmp_path)
    assert held(tmp_path) != FILES, "same size and time: taken as known"
    site.requests.clear()
    assert ", 1 fetched now" in fetch(site, tmp_path, verify=True)
    assert held(tmp_path) == FILES
    assert sorted(site.paths()) == [LISTING, "data/1.hea"]


def test_a_file_that_changed_is_mended_without_being_asked_to(site, tmp_path):
    fetch(site, tmp_path)
    (tmp_path / "data/1.hea").write_bytes(b"changed")
    assert ", 1 fetched now" in fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_a_copy_from_elsewhere_is_verified_not_fetched(site, tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert ", 0 fetched now" in fetch(site, tmp_path)
    assert site.paths() == [LISTING]


def test_a_record_that_was_cut_costs_one_hash_and_no_download(site, tmp_path):
    fetch(site, tmp_path)
    state = tmp_path / verified.STATE
    state.write_bytes(state.read_bytes()[:-20])
    site.requests.clear()
    fetch(site, tmp_path)
    assert site.paths() == []
    whole = state.read_bytes()
    fetch(site, tmp_path)
    assert state.read_bytes() == whole, "what is known is not written again"


def test_only_a_part(site, tmp_path):
    line = fetch(site, tmp_path, "data/*", "*.csv")
    assert set(held(tmp_path)) == set(FILES) - {"RECORDS"}
    assert "4 files" in line
    with pytest.raises(UserError, match=r"no file like --only records500/\*"):
        fetch(site, tmp_path, "data/*", "records500/*")


def test_a_cut_connection_goes_on_where_it_was_cut(site, tmp_path):
    site.faults["data/1.dat"] = ["cut"] * 8  # each gives half of the rest: always some new bytes
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    starts = [int(headers.get("Range", "bytes=0-")[6:-1]) for headers in site.asked("data/1.dat")]
    assert len(starts) == 9
    assert starts == sorted(set(starts)), "each request starts after the one before"
    assert starts[1] >= len(BIG) // 2 - download.CHUNK


def test_a_part_of_another_run_is_gone_on_with(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(BIG[:1000])
    (tmp_path / "RECORDS.part").write_bytes(FILES["RECORDS"])  # killed between the last byte and the name
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert [headers.get("Range") for headers in site.asked("data/1.dat")] == ["bytes=1000-"]
    assert len(site.asked("RECORDS")) == 1


@pytest.mark.parametrize("left", [b"of another version", BIG + b"too long"])
def test_a_part_that_does_not_fit_is_dropped(site, tmp_path, left):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(left)
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_a_server_without_ranges_starts_again(site, tmp_path):
    site.ranges = False
    site.faults["data/1.dat"] = ["cut", "cut"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert len(site.asked("data/1.dat")) == 3


def test_a_connection_that_brings_nothing_new_is_given_up(site, tmp_path):
    site.ranges = False
    site.faults["data/1.dat"] = ["always cut"]
    with pytest.raises(UserError, match=r"1 of 5 files of ludb 1.0.1 are left out: data/1.dat;"):
        fetch(site, tmp_path)
    assert len(site.asked("data/1.dat")) == download.TRIES


def test_a_corrupt_file_is_fetched_once_more(site, tmp_path):
    site.faults["data/1.dat"] = ["corrupt"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert len(site.asked("data/1.dat")) == 2


def test_a_file_that_stays_corrupt_is_named_and_left_out(site, tmp_path, capsys):
    site.faults["data/1.dat"] = ["always corrupt"]
    del site.files["RECORDS"]
    site.listing = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in FILES.items()).encode()
    with pytest.raises(UserError, match="2 of 5 files") as error:
        fetch(site, tmp_path)
    assert "data/1.dat" in str(error.value)
    assert "RECORDS" in str(error.value)
    assert held(tmp_path).keys() == FILES.keys() - {"data/1.dat", "RECORDS"}, "the others, and no .part"
    lines = capsys.readouterr().err
    assert "data/1.dat is left out: its SHA-256 is not the listed one" in lines
    assert "RECORDS is left out: the server answers 404" in lines
    assert len(site.asked("data/1.dat")) == 2
    site.faults.clear()
    site.files = dict(FILES)
    site.requests.clear()
    fetch(site, tmp_path)
    assert sorted(site.paths()) == ["RECORDS", "data/1.dat"]


def test_a_busy_server_is_given_the_time_it_asks_for(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download, "_rest", lambda server, path, reason, pause, wait: waits.append((reason, pause)))
    site.faults["RECORDS"] = ["busy 7", f"busy {formatdate(time.time() + 100, usegmt=True)}", "busy", "500"]
    fetch(site, tmp_path)
    assert [reason for reason, _ in waits] == ["the server answers 503"] * 3 + ["the server answers 500"]
    assert waits[0][1] == 7
    assert 90 < waits[1][1] <= 100
    assert [pause for _, pause in waits[2:]] == [download.FIRST_PAUSE * 4, download.FIRST_PAUSE * 8]


def test_the_time_asked_for_really_passes(site, tmp_path):
    site.faults["RECORDS"] = ["busy 1"]
    started = time.monotonic()
    fetch(site, tmp_path)
    assert time.monotonic() - started >= 1


def test_a_wait_that_is_too_long_is_a_sentence(site, tmp_path):
    site.faults["RECORDS"] = ["busy 86400"]
    with pytest.raises(UserError, match="asks to wait 86400 s: run the same command after that"):
        fetch(site, tmp_path)


def test_a_server_that_is_gone_ends_the_run(site, tmp_path):
    files = {f"data/{number}.dat": b"x" for number in range(200)}
    site.files = files
    for name in files:
        site.faults[name] = ["always 500"]
    with pytest.raises(UserError, match=r"the server answers 500; run the same command later, and it goes on"):
        fetch(site, tmp_path)
    assert len(set(site.paths())) < 30
    with pytest.raises(UserError, match=r"SHA256SUMS.txt cannot be fetched.*check the network and --base-url"):
        copy.fetch(CORPORA["ludb"], tmp_path / "b", (), False, 2, "http://127.0.0.1:9")


def test_a_silent_server_is_given_up(site, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "TIMEOUT", (0.2, 0.2))
    site.faults["data/1.dat"] = ["hang"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_several_connections_at_a_time(site, tmp_path):
    site.files = {f"data/{number}.dat": b"x" for number in range(12)}
    site.pause = 0.05
    fetch(site, tmp_path, connections=4)
    assert 2 <= site.most_open <= 4
    assert site.accepted <= 5, "each is kept from file to file; the listing has its own"


def test_without_a_user_the_way_to_one_is_named(site, tmp_path, monkeypatch):
    site.password = basic(USER, PASSWORD)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for user in (None, USER):
        if user:
            monkeypatch.setenv("PHYSIONET_USER", user)
        with pytest.raises(UserError, match=r"ludb 1.0.1 needs a PhysioNet account that is credentialed") as error:
            fetch(site, tmp_path)
        assert "https://physionet.org/content/ludb/1.0.1/" in str(error.value)
        assert "PHYSIONET_USER" in str(error.value)


def test_a_user_is_signed_in_and_the_password_kept_nowhere(site, tmp_path, monkeypatch, capsys):
    site.password = basic(USER, PASSWORD)
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    line = fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert "Authorization" not in site.requests[0][1], "a password is sent only where it is asked for"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    said = capsys.readouterr()
    for secret in (PASSWORD.encode(), site.password.removeprefix("Basic ").encode()):
        assert not any(secret in text for text in [*written, line.encode(), said.out.encode(), said.err.encode()])


def test_a_user_on_a_terminal_is_asked(site, tmp_path, monkeypatch):
    site.password = basic(USER, PASSWORD)
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    questions = []
    monkeypatch.setattr("getpass.getpass", lambda question: questions.append(question) or PASSWORD)
    fetch(site, tmp_path)
    assert questions == [f"Password of {USER} at 127.0.0.1: "]
    # The listing is known now, and the first refusal comes from a file: the user is asked then.
    (tmp_path / "RECORDS").unlink()
    fetch(site, tmp_path)
    assert len(questions) == 2
    assert held(tmp_path) == FILES


def test_a_user_who_is_not_admitted_is_told_where_to_sign(site, tmp_path, monkeypatch):
    site.password = basic(USER, "another")
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    with pytest.raises(UserError, match=r"answers 401: ludb 1.0.1 needs a credentialed account") as error:
        fetch(site, tmp_path)
    assert "sign at https://physionet.org/content/ludb/1.0.1/" in str(error.value)
    assert PASSWORD not in str(error.value)


def test_a_redirect_carries_no_password_to_another_host(site, other_site, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login netrc-user password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    site.password, site.elsewhere = basic(USER, PASSWORD), other_site.url
    site.faults["data/1.dat"] = ["redirect"]
    fetch(site, tmp_path / "copy")
    assert held(tmp_path / "copy") == FILES
    assert [headers.get("Authorization") for headers in site.asked("data/1.dat")] == [site.password]
    sent = {headers.get("Authorization") for _, headers in site.requests}
    assert sent == {None, site.password}, "nothing of ~/.netrc"
    assert [headers.get("Authorization") for headers in other_site.asked("data/1.dat")] == [None]


def test_a_redirect_on_the_same_host_keeps_the_user(site, tmp_path, monkeypatch):
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    site.password, site.elsewhere = basic(USER, PASSWORD), site.url
    site.faults["data/1.dat"] = ["redirect"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_a_password_goes_to_no_mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    for address in (
        "https://mirror.example/files",
        "http://physionet.org/files",
        "https://physionet.org.example/files",
    ):
        mirror = server.Server(CORPORA["ludb"], address)
        with pytest.raises(UserError, match=r"wants a password, which is for https://physionet.org/files only"):
            mirror.sign_in()
    server.Server(CORPORA["ludb"], "https://physionet.org/files/").sign_in()


@pytest.mark.parametrize("path", ["../out.csv", "/tmp/out.csv", "data/../../out.csv", "a\0b", ".", ".sediff-fetch"])
def test_a_path_that_leaves_the_folder_is_refused(site, tmp_path, path):
    digest = hashlib.sha256(b"bad").hexdigest()
    site.files["../out.csv"] = b"bad"
    site.listing = f"{hashlib.sha256(FILES['RECORDS']).hexdigest()} RECORDS\n{digest} {path}\n".encode()
    with pytest.raises(UserError, match=r"SHA256SUMS.txt, line 2 names .*no path inside the corpus"):
        fetch(site, tmp_path / "copy")
    assert site.paths() == [LISTING], "nothing is fetched from such a server"
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("listing", [b"<html>Log in</html>\n", b"\xff\xfe\n", b"\n"])
def test_what_is_no_listing_is_refused_and_not_kept(site, tmp_path, listing):
    site.listing = listing
    with pytest.raises(UserError, match=r"SHA256SUMS.txt.*check --base-url"):
        fetch(site, tmp_path)
    site.listing = None
    fetch(site, tmp_path)
    assert held(tmp_path).keys() >= FILES.keys()


@pytest.mark.parametrize("address", ["physionet.org", "ftp://physionet.org/files", "https://me:secret@physionet.org"])
def test_an_address_that_is_none_is_refused(tmp_path, address):
    with pytest.raises(UserError, match="--base-url is no address") as error:
        copy.fetch(CORPORA["ludb"], tmp_path, (), False, 2, address)
    assert "secret" not in str(error.value)


def test_a_full_disk_is_a_sentence(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full; free some space and run again"):
        fetch(site, tmp_path)


def test_a_folder_that_cannot_be_is_a_sentence(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be written or read: File exists"):
        fetch(site, tmp_path / "file")


def test_one_folder_one_corpus_one_process(site, tmp_path):
    fetch(site, tmp_path)
    with pytest.raises(UserError, match=r"holds ludb 1.0.1: give another folder for ptb-xl 1.0.3"):
        copy.fetch(CORPORA["ptb-xl"], tmp_path, (), False, 2, site.url)
    with (
        verified.verified_files(tmp_path, CORPORA["ludb"]),
        pytest.raises(UserError, match="another `sediff fetch` is writing there"),
    ):
        fetch(site, tmp_path)


# A shell that starts the tests in the background has them ignore Ctrl-C; the verb's own process must not.
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from sediff.cli import main; main()"


def sediff(site: Site, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "fetch", *arguments, "--base-url", site.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_verb_ends_by_one_line_or_one_sentence(site, tmp_path):
    site.faults["data/1.dat"] = ["always corrupt"]
    process = sediff(site, "ludb", str(tmp_path), "--only", "data/*", "--connections", "1")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == ""
    assert err.splitlines()[-1].startswith("sediff: error: 1 of 3 files of ludb 1.0.1 are left out: data/1.dat; ")
    assert "Traceback" not in err


def test_ctrl_c_stops_at_once_and_the_next_run_goes_on(site, tmp_path):
    site.faults["data/1.dat"] = ["hang"]
    process = sediff(site, "ludb", str(tmp_path), "--connections", "1")
    part = tmp_path / "data/1.dat.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
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
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", process.communicate(timeout=30)[0]).split())
    for words in ("ptb-xl 1.0.3 (CC BY 4.0, open to all", "ludb 1.0.1 (ODC-By 1.0", "mimic-iv-ecg 1.0 (ODbL 1.0"):
        assert words in text
    assert "records100/*" in text
