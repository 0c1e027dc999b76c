"""ECG paper: sizes, scale and place of what is drawn."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sediff.ecg import LEADS
from sediff.errors import UserError
from sediff.paper import HEADER, MARGIN, PULSE, ROW, draw_ecg, draw_pair, fitting_gain

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def signal():
    steps = np.zeros((12, 1000), np.int16)
    steps[1, 500] = 1000  # 1 mV in lead II, 5 s after the start
    return steps


def test_a_millivolt_is_ten_millimetres_and_a_second_twenty_five(signal):
    sheet = draw_ecg(signal, "title")
    rhythm = max(sheet.traces, key=len)
    highest = rhythm[rhythm[:, 1].argmin()]
    assert np.allclose(highest, [MARGIN + PULSE + 5 * 25, HEADER + 3.5 * ROW - 10])
    assert np.ptp(rhythm[:, 0]) == pytest.approx(999 / 100 * 25)


def test_every_lead_is_shown_and_lead_ii_twice(signal):
    texts = [label.text for label in draw_ecg(signal, "title").labels]
    assert all(texts.count(lead) == (2 if lead == "II" else 1) for lead in LEADS)
    assert "25 mm/s   10 mm/mV" in texts


@pytest.mark.parametrize(("largest", "gain"), [(3.2, 10.0), (3.3, 5.0), (7.0, 2.5), (20.0, 2.5)])
def test_gain_gives_way_to_large_voltages(largest, gain):
    assert fitting_gain(np.array([[0.0, -largest]])) == gain


def test_huge_voltages_stay_on_the_sheet(signal):
    sheet = draw_ecg(signal * 32, "title")
    y = np.concatenate([trace[:, 1] for trace in sheet.traces])
    assert y.min() >= 0 and y.max() <= sheet.height
    assert any("2.5 mm/mV" in label.text for label in sheet.labels)


def test_svg_has_its_true_size_is_small_and_escapes(tmp_path: Path):
    noise = np.random.default_rng(0).normal(0, 500, (12, 1000)).astype(np.int16)
    draw_ecg(noise, "<script>&", tmp_path / "a.svg", subtitle='"quoted"')
    text = (tmp_path / "a.svg").read_text()
    root = ET.fromstring(text)
    assert (root.get("width"), root.get("height")) == ("275mm", "150mm")
    assert root.find(f".//{SVG}script") is None and "&lt;script&gt;&amp;" in text
    assert len(text) < 60_000


def test_svg_trace_is_within_its_resolution():
    noise = np.random.default_rng(0).normal(0, 500, (12, 1000)).astype(np.int16)
    sheet = draw_ecg(noise, "")
    path = ET.fromstring(sheet.svg()).findall(f"{SVG}path")[-1].get("d") or ""
    last = path.split("M")[-1].replace("l", " ").replace("-", " -").split()
    points = np.array(last, int).reshape(-1, 2).cumsum(0) * 0.05
    rhythm = max(sheet.traces, key=len)
    assert len(points) == len(rhythm) and np.abs(points - rhythm).max() <= 0.0251


def test_png_and_pdf_have_their_true_size(signal, tmp_path: Path):
    draw_pair(signal, signal, path=tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        millimetres = np.array(image.size) / np.array(image.info["dpi"]) * 25.4
        pixels = np.asarray(image.convert("RGB"))
    assert np.allclose(millimetres, [550, 150], atol=0.3)
    assert (pixels.max(-1) < 80).sum() > 5000  # ink
    draw_ecg(signal, "t", tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_record_gives_the_same_bytes(signal, tmp_path: Path):
    for suffix in ("svg", "png", "pdf"):
        paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
        for path in paths:
            draw_ecg(signal, "t", path)
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_other_suffixes_and_shapes_are_refused(signal, tmp_path: Path):
    with pytest.raises(UserError, match=r"\.svg, \.png or \.pdf"):
        draw_ecg(signal, "t", tmp_path / "a.gif")
    with pytest.raises(UserError, match="12 leads"):
        draw_ecg(signal[:8], "t")
