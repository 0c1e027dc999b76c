"""Damaged recordings: each ends in a reason, soon, and within a limit of memory."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sediff.corpus.grid import on_grid
from sediff.corpus.header import MAX_VALUES
from sediff.corpus.params import ScreeningParams
from sediff.corpus.readers import READERS, Rejection
from sediff.corpus.screening import RULES, UnusableError
from sediff.corpus.waveform import Waveform, read_waveform
from sediff.ecg import LEADS
from sediff.files import sha256_file
from tests.conftest import ROOT
from tests.corpus.raw import ecg, record_of, write_wfdb

Damage = Callable[[Path], object]
GOOD = "r 12 100 1000"


def header(change: Callable[[str], str]) -> Damage:
    """Change the text of the header."""
    return lambda root: (root / "r.hea").write_text(change((root / "r.hea").read_text()))


def replaced(old: str, new: str, count: int = -1) -> Damage:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, count)

    return header(change)


def data(change: Callable[[bytes], bytes]) -> Damage:
    """Change the bytes of the signal."""
    return lambda root: (root / "r.dat").write_bytes(change((root / "r.dat").read_bytes()))


def samples(change: Callable[[np.ndarray], object]) -> Damage:
    """Change samples (1000, 12) and write them with a header that fits."""

    def damage(root: Path) -> None:
        values = ecg(100)
        change(values.T)
        write_wfdb(root / "r", values, 100)

    return damage


def content(name: str, content: bytes) -> Damage:
    return lambda root: (root / name).write_bytes(content)


def _fill(lead: str, value: float) -> Damage:
    return samples(lambda values: values[:, LEADS.index(lead)].fill(value))


def _replace_by_folder(root: Path) -> None:
    (root / "r.dat").unlink()
    (root / "r.dat").mkdir()


def _replace_by_pipe(root: Path) -> None:
    (root / "r.dat").unlink()
    os.mkfifo(root / "r.dat")


def _link(name: str, target: str) -> Damage:
    def damage(root: Path) -> None:
        (root / name).unlink()
        (root / name).symlink_to(target)

    return damage


def _link_folder_out(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "r.dat").rename(outside / "r.dat")
    (root / "r.dat").symlink_to(outside / "r.dat")


def _sparse(root: Path) -> None:
    with (root / "r.dat").open("wb") as stream:
        stream.truncate(1 << 40)


def _line(number: int, text: str) -> Damage:
    """Replace one line of the header; number 0 is the record line."""

    def change(old: str) -> str:
        lines = old.splitlines()
        lines[number] = text
        return "\n".join(lines) + "\n"

    return header(change)


def _utf16(root: Path) -> None:
    (root / "r.hea").write_text((root / "r.hea").read_text(), encoding="utf-16")


# How a record is damaged, and the reason that it is set aside for.
DAMAGES: dict[str, tuple[Damage, str]] = {
    # the header's bytes
    "an empty header": (content("r.hea", b""), "bad_header"),
    "white space only": (content("r.hea", b" \r\n\t\n"), "bad_header"),
    "comments only": (content("r.hea", b"# nothing\n"), "bad_header"),
    "words": (content("r.hea", b"this is no header\nat all\n"), "bad_header"),
    "all bytes": (content("r.hea", bytes(range(256)) * 4), "bad_header"),
    "zeros": (content("r.hea", bytes(4096)), "bad_header"),
    "UTF-16": (_utf16, "bad_header"),
    "a page of HTML": (content("r.hea", b"<!DOCTYPE html><html><body>404</body></html>"), "bad_header"),
    "a header of 2 MB": (content("r.hea", b"# x\n" * (1 << 19)), "bad_header"),
    "a word of 100,000 letters": (_line(0, "x" * 100_000), "bad_header"),
    "a number of 900 digits": (_line(0, f"r 12 100 {'9' * 900}"), "too_large"),
    "half a header": (header(lambda text: text[: len(text) // 2]), "bad_header"),
    # the record line
    "no sizes": (_line(0, "r 12 100"), "bad_header"),
    "no leads": (_line(0, "r 0 100 1000"), "bad_header"),
    "no samples": (_line(0, "r 12 100 0"), "bad_header"),
    "negative samples": (_line(0, "r 12 100 -1000"), "bad_header"),
    "negative leads": (_line(0, "r -12 100 1000"), "bad_header"),
    "samples in words": (_line(0, "r 12 100 many"), "bad_header"),
    "a rate that is no number": (_line(0, "r 12 NaN 1000"), "bad_header"),
    "a rate of zero": (_line(0, "r 12 0 1000"), "bad_header"),
    "an absurd rate": (_line(0, f"r 12 {'9' * 400} 1000"), "bad_header"),
    "a high rate": (_line(0, "r 12 1000000 1000"), "too_short"),
    "a low rate": (_line(0, "r 12 50 1000"), "sampling_rate"),
    "half a hertz": (_line(0, "r 12 99.5 1000"), "sampling_rate"),
    "absurdly many samples": (_line(0, "r 12 100 99999999999999"), "too_large"),
    "as many samples as are read, and no data": (_line(0, f"r 12 100 {MAX_VALUES // 12}"), "bad_signal"),
    "absurdly many leads": (_line(0, "r 99999999 100 1000"), "too_large"),
    "two segments": (_line(0, "r/2 12 100 1000"), "unsupported"),
    "more leads than lines": (_line(0, "r 15 100 1000"), "bad_header"),
    "fewer leads than lines": (_line(0, "r 8 100 1000"), "bad_header"),
    # the signal lines
    "another folder's file": (replaced("r.dat", "../../../../etc/passwd"), "bad_header"),
    "an absolute path": (replaced("r.dat", "/etc/passwd", 1), "bad_header"),
    "another record's file": (replaced("r.dat", "s.dat"), "bad_header"),
    "an address": (replaced("r.dat", "https://example.org/r.dat"), "bad_header"),
    "no signal file": (replaced("r.dat", "~", 1), "bad_header"),
    "an unknown format": (replaced(".dat 16 ", ".dat 999 "), "unsupported"),
    "a compressed format": (replaced(".dat 16 ", ".dat 516 "), "unsupported"),
    "two formats": (replaced(".dat 16 ", ".dat 212 ", 1), "unsupported"),
    "another format": (replaced(".dat 16 ", ".dat 212 "), "bad_signal"),
    "four samples a frame": (replaced(".dat 16 ", ".dat 16x4 "), "unsupported"),
    "a billion samples a frame": (replaced(".dat 16 ", ".dat 16x1000000000 "), "unsupported"),
    "a skew": (replaced(".dat 16 ", ".dat 16:999999999 "), "unsupported"),
    "an offset beyond the end": (replaced(".dat 16 ", ".dat 16+999999999999 "), "bad_signal"),
    "a gain of zero": (replaced("1000.0(0)", "0(0)"), "no_gain"),
    "a signal line of two words": (_line(1, "r.dat 16"), "missing_lead"),
    "an infinite gain": (replaced("1000.0(0)", "1e999(0)"), "bad_header"),
    "a tiny gain": (replaced("1000.0(0)", "1e-308(0)"), "nan"),
    "a gain of letters": (replaced("1000.0(0)", "e(0)"), "bad_header"),
    "an absurd baseline": (replaced("1000.0(0)", f"1000.0({'9' * 300})"), "bad_header"),
    "a baseline beyond the scale": (replaced("1000.0(0)", "1000.0(30000)"), "amplitude"),
    "an unknown unit": (replaced("/mV", "/bananas"), "unknown_unit"),
    "a wrong checksum": (header(lambda text: text.replace(" 0 V3", "1 0 V3")), "checksum"),
    "a lead under another name": (replaced(" V6", " V7"), "missing_lead"),
    "a lead twice": (replaced(" V6", " V5"), "missing_lead"),
    # the data
    "an empty signal": (data(lambda old: b""), "bad_signal"),
    "half a signal": (data(lambda old: old[:12_000]), "bad_signal"),
    "an odd byte": (data(lambda old: old[:-1]), "bad_signal"),
    "bytes too many": (data(lambda old: old + b"\0\0"), "bad_signal"),
    "a shift by one sample": (data(lambda old: old[2:] + old[:2]), "checksum"),
    "the other byte order": (data(lambda old: np.frombuffer(old, "<i2").astype(">i2").tobytes()), "checksum"),
    "noise": (data(lambda old: np.random.default_rng(0).bytes(len(old))), "checksum"),
    "compressed": (data(lambda old: b"\x1f\x8b" + old[2:]), "checksum"),
    "only missing samples": (samples(lambda values: values.fill(-32.768)), "nan"),
    "one missing sample": (samples(lambda values: values[99:100, 4].fill(-32.768)), "nan"),
    "all zero": (samples(lambda values: values.fill(0)), "flat_lead"),
    "a lead of zeros": (_fill("V2", 0), "flat_lead"),
    "a lead at the ADC's end": (_fill("V2", 32.767), "amplitude"),
    "a lead repeated as III": (samples(lambda values: values[:, 2].__iadd__(values[:, 1])), "limb_leads"),
    "a clipped lead": (samples(lambda values: np.clip(values[:, 9] * 3, -0.1, 1.1, out=values[:, 9])), "clipped"),
    # the files
    "no header": (lambda root: (root / "r.hea").unlink(), "missing_file"),
    "no signal": (lambda root: (root / "r.dat").unlink(), "missing_file"),
    "a folder for a signal": (_replace_by_folder, "missing_file"),
    "a pipe for a signal": (_replace_by_pipe, "missing_file"),
    "a link to itself": (_link("r.dat", "r.dat"), "missing_file"),
    "a link to nowhere": (_link("r.hea", "nowhere"), "missing_file"),
    "a link out of the folder": (_link("r.dat", "/etc/passwd"), "unsafe_path"),
    "a link to a device": (_link("r.dat", "/dev/zero"), "unsafe_path"),
    "a good signal outside": (_link_folder_out, "unsafe_path"),
    "a signal of a terabyte": (_sparse, "bad_signal"),
}


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "raw"
    write_wfdb(folder / "r", ecg(100), 100)
    assert (folder / "r.hea").read_text().startswith(GOOD)
    return folder


@contextmanager
def soon(seconds: float = 10) -> Iterator[None]:
    """A record is read in milliseconds; what takes seconds is a hang."""

    def late(*_):
        raise TimeoutError("a damaged record hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def inventory(root: Path) -> dict[str, str]:
    """Hashes as after a scan; a file that nobody would hash here has an empty one, so that it is opened."""
    paths = [path for path in root.iterdir() if path.is_file() and path.stat().st_size < 1 << 30]
    regular = [path for path in paths if stat.S_ISREG(path.stat().st_mode)]
    return {"r.hea": "", "r.dat": ""} | {path.name: sha256_file(path) for path in regular}


def outcome(root: Path) -> Waveform | UnusableError:
    hashes = inventory(root)
    try:
        with soon():
            return read_waveform(root, record_of(root, "r"), hashes, ScreeningParams())
    except UnusableError as unusable:
        return unusable


def test_the_record_is_good_before_it_is_damaged(root):
    assert isinstance(outcome(root), Waveform)


def test_there_are_forty_kinds_of_damage():
    assert len(DAMAGES) >= 40


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_ends_in_its_reason(name, root):
    damage, expected = DAMAGES[name]
    damage(root)
    found = outcome(root)
    assert isinstance(found, UnusableError), "the damage was not noticed"
    assert found.reason == expected, found
    assert found.reason in RULES
    assert found.detail and "\n" not in found.detail and str(root) not in found.detail


@pytest.mark.parametrize("name", [
    "../r", "a/../../r", "/etc/passwd", "a\0b", "x" * 5000, "/".join("x" * 2000), "", ".", "\udcfc",
], ids=lambda name: repr(name)[:20])  # fmt: skip
def test_paths_that_climb_or_cannot_be_are_refused(name, root):
    record = record_of(root, name)
    with pytest.raises(UnusableError) as caught:
        read_waveform(root, record, dict.fromkeys(record.files, ""), ScreeningParams())
    assert caught.value.reason in ("unsafe_path", "missing_file")


def test_details_name_the_numbers(root):
    damage, _ = DAMAGES["half a signal"]
    damage(root)
    assert str(outcome(root)) == "bad_signal: r.dat: 12000 bytes, its header says 24000"


def test_a_change_after_the_scan_is_told_from_damage(root):
    hashes = inventory(root)
    DAMAGES["half a signal"][0](root)
    with pytest.raises(UnusableError, match="changed_file"):
        read_waveform(root, record_of(root, "r"), hashes, ScreeningParams())


@pytest.mark.parametrize("reader", ["wfdb", "challenge"])
@pytest.mark.parametrize("name", [name for name in DAMAGES if "terabyte" not in name])
def test_readers_list_damaged_records_without_a_crash(reader, name, root):
    DAMAGES[name][0](root)
    with soon():
        for found in READERS[reader]("raw", root).records():
            assert isinstance(found, Rejection) or found.record_id == "raw/r"


ABSURD = ("absurd", "billion", "terabyte", "digits", "2 MB", "as many", "beyond")
CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
from tests.corpus.test_bad_input import ABSURD, DAMAGES, ecg, outcome, write_wfdb

root, longest = Path(sys.argv[1]), Path(sys.argv[1]) / "longest"
write_wfdb(root / "r", ecg(100), 100)
outcome(root)  # what libraries take at their first use is not the records'
write_wfdb(longest / "r", np.tile(ecg(500), 120), 500)
before = Path("/proc/self/statm").read_text().split()
limit = int(before[5]) * resource.getpagesize() + (300 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
for name in (name for name in DAMAGES if any(word in name for word in ABSURD)):
    write_wfdb(root / "r", ecg(100), 100)
    DAMAGES[name][0](root)
    assert outcome(root).reason == DAMAGES[name][1], name
    (root / "r.dat").unlink()
assert outcome(longest).repairs == ("cropped",)
print("done")
"""


def test_absurd_sizes_take_no_memory(root):
    """A child with 300 MB to spare meets each header that declares too much, and reads 10 minutes of 12 leads."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(root)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "done\n", done.stderr


def _mutable(tmp_path_factory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.getbasetemp() / "mutable"
    if not folder.exists():
        write_wfdb(folder / "r", ecg(100), 100, comments=("Age: 74", "Dx: 426783006"))
    good = folder / "good"
    if not good.exists():
        good.write_bytes((folder / "r.hea").read_bytes())
    return folder, good.read_bytes()


def _ends_well(folder: Path, mutated: bytes) -> None:
    """The mutated header gives a waveform or a reason, and the plain reader lists it."""
    (folder / "r.hea").write_bytes(mutated)
    found = outcome(folder)
    if isinstance(found, UnusableError):
        assert found.reason in RULES
    else:
        assert found.signal.shape[0] == 12 and np.isfinite(found.signal).all()
        assert on_grid(found.signal, found.rate).shape == (12, 1000)
    assert len(list(READERS["wfdb"]("raw", folder).records())) == 1


@given(flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=150, deadline=20_000)
def test_headers_with_bytes_flipped_end_in_a_reason_or_a_signal(flips, tmp_path_factory):
    folder, good = _mutable(tmp_path_factory)
    mutated = bytearray(good)
    for place, value in flips:
        mutated[place % len(mutated)] = value
    _ends_well(folder, bytes(mutated))


WORDS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.text(max_size=8),
    st.sampled_from(
        ["", "r", "r.dat", "16x2", "212", "8", "1e999", "/mV", "(5)/mV", "0(0)/mV", "#", "~", "\0", "۱۲", "²"]
    ),
)


@given(swaps=st.lists(st.tuples(st.integers(0, 200), WORDS), min_size=1, max_size=4), shuffled=st.randoms())
@settings(max_examples=150, deadline=20_000)
def test_headers_with_words_swapped_end_in_a_reason_or_a_signal(swaps, shuffled, tmp_path_factory):
    folder, good = _mutable(tmp_path_factory)
    lines = [line.split(" ") for line in good.decode().splitlines()]
    places = [(i, j) for i, line in enumerate(lines) for j in range(len(line))]
    for place, word in swaps:
        i, j = places[place % len(places)]
        lines[i][j] = word
    if shuffled.random() < 0.2:
        shuffled.shuffle(lines)
    _ends_well(folder, "\n".join(" ".join(line) for line in lines).encode("utf-8", "surrogatepass"))
