"""Each format is read back by somebody else's reader and equals the source to its resolution."""

import io
import re
import shutil
import time
import tracemalloc
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pypdf
import pytest
import wfdb
from fontTools.ttLib import TTFont
from PIL import Image

from sediff.ecg import LEADS
from sediff.errors import UserError
from sediff.export.dicom import at_500_hz, dicom_file
from sediff.export.export import export
from sediff.export.formats import FORMATS, draw
from sediff.export.record import Record
from tests.browsers import chromium
from tests.datasets import COUNT, TEXT, rows, signals

MDC = dict(zip(LEADS, ("1", "2", "61", "62", "63", "64", "3", "4", "5", "6", "7", "8"), strict=True))
SVG = "{http://www.w3.org/2000/svg}"
GIVEN = {"male": "M", "female": "F", None: ""}


def names(out) -> list[str]:
    return (out / "RECORDS").read_text().split()


def test_wfdb_reads_every_microvolt(dataset, tmp_path):
    assert export(dataset, "wfdb", tmp_path / "out") == f"{COUNT} synthetic records as wfdb in {tmp_path / 'out'}"
    assert len(names(tmp_path / "out")) == COUNT
    for name, signal, row in zip(names(tmp_path / "out"), signals(), rows(), strict=True):
        record = wfdb.rdrecord(str(tmp_path / "out" / name))
        assert (record.sig_name, record.fs, record.units) == (list(LEADS), 100, ["mV"] * 12)
        assert (np.rint(record.p_signal.T * 1000) == signal).all()
        assert record.comments[0].startswith("SYNTHETIC ECG made by sediff")
        said = {line.split(": ")[0]: line for line in record.comments[1:]}
        assert said["seed"] == "seed: 7" and said["index"] == f"index: {row['index']}"
        assert said["asked"].startswith('asked: sinus rhythm <b>"e"</b>')
        assert ("from" in said) == bool(row["neighbours"])
        for column in ("confidence", "exact_similarity", "meaning_similarity"):
            assert said.get(column) == (None if row[column] is None else f"{column}: {row[column]:.2f}")


def test_pydicom_reads_every_microvolt(dataset, tmp_path):
    export(dataset, "dicom", tmp_path / "out")
    seen = set()
    for name, signal, row in zip(names(tmp_path / "out"), signals(), rows(), strict=True):
        file = pydicom.dcmread(tmp_path / f"out/{name}.dcm")
        assert file.SOPClassUID == pydicom.uid.TwelveLeadECGWaveformStorage
        (group,) = file.WaveformSequence
        assert 200 <= group.SamplingFrequency <= 1000, "PS3.3 A.34.3.4.5"
        assert (group.NumberOfWaveformSamples, group.WaveformSampleInterpretation) == (5000, "SS")
        assert (np.rint(file.waveform_array(0)).T[:, ::5] == signal).all()
        for channel, lead in zip(group.ChannelDefinitionSequence, LEADS, strict=True):
            (source,), (unit,) = channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence
            assert (source.CodeValue, source.CodingSchemeDesignator) == (f"2:{MDC[lead]}", "MDC")
            assert (channel.ChannelSensitivity, channel.ChannelBaseline, unit.CodeValue) == (1, 0, "uV")
        assert str(file.PatientName).startswith("SYNTHETIC") and file.PatientID.startswith("SYNTHETIC")
        assert file.PatientSex == GIVEN[row["sex"]]
        assert file.get("PatientAge") == (None if row["age"] is None else f"{row['age']:03.0f}Y")
        assert TEXT in file.PatientComments
        uids = {file.SOPInstanceUID, file.StudyInstanceUID, file.SeriesInstanceUID}
        assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids) and len(uids) == 3
        assert file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID
        seen |= uids
    assert len(seen) == 3 * COUNT


def test_a_dicom_description_is_one_value():
    record = Record(signals()[0], index=0, seed=7, text="AF\\flutter\nold\tinfarct", model="a" * 64)
    file = pydicom.dcmread(io.BytesIO(dicom_file(record)))
    assert file["SeriesDescription"].VM == 1
    assert file.SeriesDescription == "SYNTHETIC · AF/flutter old infarct"


def test_between_samples_lies_the_band_limited_curve():
    coarse, dense = (np.arange(n) / rate for n, rate in ((1000, 100), (5000, 500)))
    wave = at_500_hz(np.rint(1000 * np.sin(2 * np.pi * 7 * coarse)).astype(np.int16)[None])[0]
    middle = slice(250, -250)
    assert np.abs(wave - 1000 * np.sin(2 * np.pi * 7 * dense))[middle].max() < 5


def test_numpy_maps_every_microvolt(dataset, tmp_path):
    export(dataset, "numpy", tmp_path / "out")
    mapped = np.load(tmp_path / "out/signals.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap) and mapped.dtype == np.int16
    assert (mapped == signals()).all()
    assert pl.read_parquet(tmp_path / "out/records.parquet").to_dicts() == rows()


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


def measured_on_paper(points: np.ndarray) -> np.ndarray:
    """Seconds and mV since the first point, (points, 2), of a trace in mm from the top left: 25 mm/s, 10 mm/mV."""
    return (points - points[0]) / [25, -10]


def of_svg(path: Path) -> tuple[list[np.ndarray], tuple[float, float], str]:
    """Traces in mm from the top left, the page's size in mm, and its words."""
    root = ET.parse(path).getroot()
    drawn = root.findall(f"{SVG}path")[-1]
    scale = float(re.fullmatch(r"scale\((.+)\)", drawn.get("transform") or "")[1])
    numbers = [np.array(re.findall(r"-?\d+", part), int) for part in (drawn.get("d") or "").split("M")[1:]]
    traces = [of.reshape(-1, 2).cumsum(0) * scale for of in numbers]
    width, height = (float((root.get(name) or "").removesuffix("mm")) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}", "a unit is a millimetre"
    return traces, (width, height), " ".join(root.itertext())


def of_pdf(path: Path) -> tuple[list[np.ndarray], tuple[float, float], str]:
    """The same, as pypdf reads it; its points are of 1/72 inch from the bottom left."""
    (page,) = pypdf.PdfReader(path).pages
    size = np.array([page.mediabox.width, page.mediabox.height], float)
    content = page.get_contents().get_data().decode("latin-1")
    lines = re.findall(r"\S+ \S+ m\n(?:\S+ \S+ l\n)+\s*S", content)
    points = [np.array(re.findall(r"(\S+) (\S+) [ml]\n", of), float) for of in lines]
    traces = [np.column_stack([of[:, 0], size[1] - of[:, 1]]) / 72 * 25.4 for of in points]
    return traces, tuple(size / 72 * 25.4), page.extract_text()


ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))  # as everybody prints them


def twelve_waves() -> Record:
    """A wave of its own in each lead, of ±0.4 mV at most."""
    rng, time_s = np.random.default_rng(1), np.arange(1000) / 100
    signal = np.rint(rng.uniform(200, 400, (12, 1)) * np.sin(2 * np.pi * rng.uniform(1, 9, (12, 1)) * time_s))
    return Record(signal.astype(np.int16), 0, 7, "Atrial fibrillation.", "a" * 64, age=71)


def curves_of(traces: list[np.ndarray]) -> dict[tuple[str, int], np.ndarray]:
    """Lead and first sample to what is drawn of 2.5 s, by its place: three rows of four leads above lead II."""
    curves = sorted((trace for trace in traces if len(trace) >= 250), key=lambda trace: trace[:, 1].mean())
    assert [len(curve) for curve in curves] == [250] * 12 + [1000]
    found = {}
    for number, leads in enumerate(ROWS):
        row = sorted(curves[4 * number : 4 * number + 4], key=lambda trace: trace[0, 0])
        found |= {(lead, 250 * column): curve for column, (lead, curve) in enumerate(zip(leads, row, strict=True))}
    return found


@pytest.mark.parametrize(("suffix", "read"), [("svg", of_svg), ("pdf", of_pdf)])
def test_the_curves_on_paper_are_the_signals_each_in_its_place(tmp_path, suffix, read):
    """By a ruler, within 0.05 mm, the resolution of an SVG's numbers: 2.5 s of each lead, and lead II in full."""
    record = twelve_waves()
    draw(record, tmp_path / f"a.{suffix}")
    traces, size, words = read(tmp_path / f"a.{suffix}")
    assert np.allclose(size, (275, 150), atol=0.01)
    for (lead, first), curve in [*curves_of(traces).items(), (("II", 0), max(traces, key=len))]:
        drawn = record.signal[LEADS.index(lead), first : first + len(curve)] / 1000
        seconds, millivolts = measured_on_paper(curve).T
        assert np.abs(seconds - np.arange(len(curve)) / 100).max() < 0.0021, "0.05 mm: two ends may be rounded"
        assert np.abs(millivolts - (drawn - drawn[0])).max() < 0.0051, lead
    assert "SYNTHETIC · Atrial fibrillation, 71 years" in words and "10 mm/mV" in words


def test_a_lead_s_name_stands_above_its_curve(tmp_path):
    draw(twelve_waves(), tmp_path / "a.svg")
    curves, words = curves_of(of_svg(tmp_path / "a.svg")[0]), ET.parse(tmp_path / "a.svg").getroot().iter(f"{SVG}text")
    places = {word.text: (float(word.get("x")), float(word.get("y"))) for word in words if word.text in LEADS[2:]}
    for (lead, _), curve in curves.items():
        if lead in places:  # I and II have several
            right, down = np.array(places[lead]) - (curve[0, 0], curve[:, 1].mean())
            assert 0 < right < 5 and -15 < down < -5, lead


@pytest.mark.parametrize("lead", LEADS)
def test_a_picture_has_each_lead_in_its_place(tmp_path, lead):
    """A flat record but for one lead of ±0.8 mV: ink more than a centimetre high stands in that lead's field alone."""
    signal = np.zeros((12, 1000), np.int16)
    signal[LEADS.index(lead)] = 800 * np.where(np.arange(1000) // 10 % 2, 1, -1)
    draw(Record(signal, 0, 7, "AF", "a" * 64), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        ink, per_mm = np.asarray(picture.convert("L")) < 100, picture.info["dpi"][0] / 25.4
    high = set()
    for row, leads in enumerate((*ROWS, ("II",))):
        for column, of in enumerate(leads):
            middle, left, width = 35 + 30 * row, 20 + 62.5 * column, 250 / len(leads)
            top, bottom = (round((middle + way) * per_mm) for way in (-9, 9))
            field = ink[top:bottom, round((left + 8) * per_mm) : round((left + width - 2) * per_mm)]
            if np.ptp(np.flatnonzero(field.any(1))) / per_mm > 10:
                high.add((row, of))
    assert high == {(row, lead) for row, leads in enumerate((*ROWS, ("II",))) if lead in leads}


def test_fonts_of_a_pdf_are_truetype_and_in_it(tmp_path):
    """As publishers and printers take them, and read by fontTools."""
    draw(Record(signals()[0], 0, 7, "Vorhofflimmern, β-Blocker", "a" * 64), tmp_path / "a.pdf")
    (page,) = pypdf.PdfReader(tmp_path / "a.pdf").pages
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert len(fonts) >= 2, "bold and not"
    for font in fonts:
        one = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        assert one["/Subtype"] in ("/TrueType", "/CIDFontType2"), font["/Subtype"]
        embedded = one["/FontDescriptor"]["/FontFile2"].get_data()
        assert TTFont(io.BytesIO(embedded))["name"].getDebugName(4).startswith("DejaVu Sans")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_text_in_letters_that_the_font_lacks_is_drawn_without_a_warning(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(Record(signals()[0], 0, 7, "心房颤动, AF 🫀", "a" * 64, sex="female"), path)
    if suffix == "svg":
        assert "心房颤动, AF 🫀, female" in of_svg(path)[2], "whoever shows it has the fonts"
    if suffix == "pdf":
        assert "SYNTHETIC · ????, AF ?, female" in of_pdf(path)[2]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_paper_is_rendered_with_ink_and_words(dataset, tmp_path, browser, suffix):
    export(dataset, suffix, tmp_path / "out", first=2)
    (path, _) = (tmp_path / f"out/{name}.{suffix}" for name in names(tmp_path / "out"))
    browser.get(path.as_uri())
    for _ in range(60):  # the viewer of PDFs takes a while
        pixels = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")).astype(int)
        ink, grid = (pixels.max(-1) < 100).sum(), (pixels[..., 0] - pixels[..., 1] > 10).mean()
        if ink > 2000 and grid > 0.02:
            return
        time.sleep(0.5)
    raise AssertionError(f"{ink} dark pixels, {grid:.1%} of the page is grid")


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_records_give_the_same_bytes(dataset, tmp_path, name):
    for out in ("a", "b"):
        export(dataset, name, tmp_path / out, indices=[3, 17])
    files = [path.relative_to(tmp_path / "a") for path in sorted((tmp_path / "a").rglob("*")) if path.is_file()]
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_some_records_are_the_same_files_as_among_all(dataset, tmp_path):
    export(dataset, "wfdb", tmp_path / "all")
    export(dataset, "wfdb", tmp_path / "first", first=9)
    export(dataset, "wfdb", tmp_path / "chosen", indices=[20, 8, 8])
    assert names(tmp_path / "first") == names(tmp_path / "all")[:9]
    assert names(tmp_path / "chosen") == [names(tmp_path / "all")[8], names(tmp_path / "all")[20]]
    for name in names(tmp_path / "chosen"):
        content = (tmp_path / f"chosen/{name}.hea").read_bytes()
        assert content == (tmp_path / f"all/{name}.hea").read_bytes()


def test_memory_does_not_grow_with_the_records(dataset, tmp_path):
    peaks = []
    for copies in (10, 80):
        folder = tmp_path / str(copies)
        (folder / "records").mkdir(parents=True)
        for number in range(copies):
            shutil.copy(dataset / "records/shard-000.parquet", folder / f"records/shard-{number:03d}.parquet")
        tracemalloc.start()
        export(folder, "numpy", tmp_path / f"out-{copies}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 200_000


def test_mistakes_are_one_sentence(dataset, tmp_path):
    real = tmp_path / "real/records"
    real.mkdir(parents=True)
    pl.DataFrame({"record_id": ["ptb-xl/1"], "signal": [b"\0" * 24_000]}).write_parquet(real / "shard-000.parquet")
    cut = tmp_path / "cut/records"
    shutil.copytree(dataset / "records", cut)
    (cut / "shard-001.parquet").write_bytes((cut / "shard-001.parquet").read_bytes()[:-500])
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for arguments, sentence in (
        ((dataset, "edf", tmp_path / "o"), "There is no format edf: there are wfdb, dicom"),
        ((tmp_path / "none", "wfdb", tmp_path / "o"), "is no folder"),
        ((tmp_path, "wfdb", tmp_path / "o"), "holds no records"),
        ((real.parent, "wfdb", tmp_path / "o"), "holds no synthetic records"),
        ((cut.parent, "numpy", tmp_path / "o"), "missing or damaged"),
        ((dataset, "wfdb", tmp_path / "full"), "is there already"),
        ((dataset, "wfdb", tmp_path / "file/o"), "cannot be written to"),
        ((dataset, "wfdb", tmp_path / "o", None, [3, 99]), "no record with index 99"),
    ):
        with pytest.raises(UserError, match=sentence):
            export(*arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "file", "full", "real"], "nothing is left behind"
