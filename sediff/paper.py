"""ECGs on paper as a cardiologist reads them: 25 mm/s, 10 mm/mV, 3 × 4 leads above a rhythm strip.

A `Sheet` is geometry in millimetres; it is written as compact SVG, or by matplotlib as PNG or PDF,
in its true physical size. Text in an SVG is drawn by whoever shows it, in the fonts that are there. PNG and
PDF have one font, which comes with matplotlib, so that their bytes do not follow a machine's fonts; a character
that it lacks is "?".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray
from PIL import Image

from sediff.ecg import LEADS, MICROVOLTS_PER_MILLIVOLT, SAMPLES, SAMPLING_RATE
from sediff.errors import UserError
from sediff.files import replacing

SPEED = 25.0  # mm/s
GAINS = (10.0, 5.0, 2.5)  # mm/mV; the first at which the largest deflection fits into ROOM
ROOM = 32.0  # mm from a lead's baseline, a little more than the distance of two rows
ROW = 30.0  # mm between baselines
MARGIN = 5.0
PULSE = 15.0  # mm at the left for the calibration pulse
HEADER = 20.0
FOOTER = 10.0
LAYOUT = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM_LEAD = "II"

PAPER, MINOR, MAJOR, INK = "#fffafa", "#f8dcdc", "#eeb4b4", "#1a1a22"
MINOR_WIDTH, MAJOR_WIDTH, TRACE_WIDTH = 0.1, 0.18, 0.28  # mm
RESOLUTION = 0.05  # mm, of the traces in SVG
COLOURS, COMPRESSION = 64, 3  # of a PNG: what more there are is antialiasing; zlib's 6 takes twice as long as 3
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"  # in SVG
DRAWN_FONT = "DejaVu Sans"  # in PNG and PDF
TRUETYPE = 42  # as which PDF embeds it: publishers and printers refuse matplotlib's own choice


@dataclass(frozen=True)
class Label:
    """Text at (x, y) in mm from the top left; `size` is the letters' height in mm."""

    x: float
    y: float
    text: str
    size: float = 3.2
    bold: bool = False
    anchor: str = "start"


@dataclass(frozen=True)
class Sheet:
    """What is drawn, in mm from the top left; each trace is (points, 2)."""

    width: float
    height: float
    traces: tuple[NDArray[np.float64], ...]
    labels: tuple[Label, ...]

    def beside(self, other: "Sheet") -> "Sheet":
        """Put another sheet at the right of this one."""
        offset = self.width
        traces = tuple(trace + np.array([offset, 0.0]) for trace in other.traces)
        labels = tuple(
            Label(label.x + offset, label.y, label.text, label.size, label.bold, label.anchor) for label in other.labels
        )
        height = max(self.height, other.height)
        return Sheet(self.width + other.width, height, self.traces + traces, self.labels + labels)

    def svg(self) -> str:
        """The sheet as SVG of the true size; scripts, styles, ids and links are not used."""
        size = f'width="{self.width:g}mm" height="{self.height:g}mm" viewBox="0 0 {self.width:g} {self.height:g}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f'<path fill="{PAPER}" d="M0 0H{self.width:g}V{self.height:g}H0Z"/>',
            _svg_grid(self, 1, MINOR, MINOR_WIDTH),
            _svg_grid(self, 5, MAJOR, MAJOR_WIDTH),
            f'<path transform="scale({RESOLUTION})" fill="none" stroke="{INK}" stroke-linejoin="round" '
            f'stroke-width="{TRACE_WIDTH / RESOLUTION:g}" d="{"".join(map(_svg_trace, self.traces))}"/>',
            f'<g font-family="{FONT}" fill="{INK}">{"".join(map(_svg_label, self.labels))}</g>',
            "</svg>\n",
        ]
        return "\n".join(parts)

    def save(self, path: Path, dpi: int = 150) -> None:
        """Write SVG, PNG or PDF, by the suffix of `path`; another suffix is a user's error."""
        suffix = path.suffix.lower()
        if suffix not in (".svg", ".png", ".pdf"):
            raise UserError(f"{path}: an ECG is written as .svg, .png or .pdf.")
        with replacing(path) as temporary:
            if suffix == ".svg":
                temporary.write_text(self.svg(), encoding="utf-8")
            elif suffix == ".png":
                picture = Image.fromarray(self._pixels(dpi)).convert("RGB")
                picture = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                # with the resolution, so that it prints in its true size
                picture.save(temporary, dpi=(dpi, dpi), compress_level=COMPRESSION)
            else:
                from matplotlib.backends.backend_pdf import FigureCanvasPdf  # it takes a quarter of a second to import

                with rc_context({"pdf.fonttype": TRUETYPE, "path.simplify": False}):  # every sample is in it
                    figure, axes = _blank(self.width, self.height, dpi)
                    _draw_grid(axes, self.width, self.height)
                    _draw_traces(axes, self.traces)
                    _draw_labels(axes, self.labels)
                    metadata = {"CreationDate": None, "Creator": None, "Producer": None}
                    FigureCanvasPdf(figure).print_pdf(temporary, metadata=metadata)

    def _pixels(self, dpi: int) -> NDArray[np.uint8]:
        """The sheet in RGBA, (rows, columns, 4)."""
        names = tuple(label for label in self.labels if label.text in LEADS)
        figure, axes = _blank(self.width, self.height, dpi)
        _draw_traces(axes, self.traces)
        _draw_labels(axes, [label for label in self.labels if label not in names])
        return _rendered(figure, _paper_pixels(self.width, self.height, dpi, names))


def draw_ecg(
    signal: NDArray[np.int16],
    title: str,
    path: Path | None = None,
    subtitle: str = "",
    gain: float | None = None,
) -> Sheet:
    """Lay one record out on paper and, if `path` is given, write it there (.svg, .png, .pdf).

    `signal` is (12, 1000) int16 µV. Each lead is centred on its median. `gain` is in mm/mV; without
    it 10 mm/mV is used, or 5 or 2.5 where deflections over 3.2 or 6.4 mV would leave the rows, and
    the calibration pulse (1 mV, 0.2 s) and the footer say which.
    """
    if signal.shape != (len(LEADS), SAMPLES):
        raise UserError(f"An ECG to draw must be {len(LEADS)} leads × {SAMPLES} samples, not {signal.shape}.")
    millivolts = signal.astype(np.float64) / MICROVOLTS_PER_MILLIVOLT
    millivolts -= np.median(millivolts, axis=1, keepdims=True)
    gain = gain or fitting_gain(millivolts)
    width = 2 * MARGIN + PULSE + SPEED * SAMPLES / SAMPLING_RATE
    height = HEADER + ROW * (len(LAYOUT) + 1) + FOOTER
    traces, labels = _rows(millivolts, gain, height)
    labels.append(Label(MARGIN, 7.0, _shorten(title, 104), 4.0, bold=True))
    labels.append(Label(MARGIN, 12.5, _shorten(subtitle, 165), 3.0))
    labels.append(Label(width - MARGIN, height - 3.0, f"{SPEED:g} mm/s   {gain:g} mm/mV", 3.0, anchor="end"))
    sheet = Sheet(width, height, tuple(traces), tuple(labels))
    if path is not None:
        sheet.save(path)
    return sheet


def draw_pair(
    real: NDArray[np.int16],
    synthetic: NDArray[np.int16],
    titles: tuple[str, str] = ("Real", "Synthetic"),
    path: Path | None = None,
    subtitles: tuple[str, str] = ("", ""),
) -> Sheet:
    """Two records (12, 1000) int16 µV side by side at one gain, the real one at the left."""
    both = np.concatenate([real, synthetic]).astype(np.float64) / MICROVOLTS_PER_MILLIVOLT
    gain = fitting_gain(both - np.median(both, axis=1, keepdims=True))
    left = draw_ecg(real, titles[0], subtitle=subtitles[0], gain=gain)
    sheet = left.beside(draw_ecg(synthetic, titles[1], subtitle=subtitles[1], gain=gain))
    if path is not None:
        sheet.save(path)
    return sheet


def fitting_gain(millivolts: NDArray[np.floating]) -> float:
    """The largest usual gain (mm/mV) at which centred leads (leads, samples) keep to their rows."""
    largest = float(np.abs(millivolts).max())
    return next((gain for gain in GAINS if largest * gain <= ROOM), GAINS[-1])


def _rows(millivolts: NDArray[np.float64], gain: float, height: float) -> tuple[list[NDArray[np.float64]], list[Label]]:
    traces, labels = [], []
    start = MARGIN + PULSE
    for row, leads in enumerate((*LAYOUT, (RHYTHM_LEAD,))):
        baseline = HEADER + ROW * (row + 0.5)
        traces.append(_calibration(baseline, gain))
        columns = np.array_split(np.arange(SAMPLES), len(leads))
        for column, (lead, samples) in enumerate(zip(leads, columns, strict=True)):
            x = start + SPEED * samples / SAMPLING_RATE
            y = baseline - gain * millivolts[LEADS.index(lead), samples]
            traces.append(np.column_stack([x, np.clip(y, 0.0, height)]))
            labels.append(Label(float(x[0]) + 1.0, baseline - 9.0, lead, 3.4, bold=True))
            if column:
                traces.append(np.array([[x[0], baseline - 7.0], [x[0], baseline - 5.0]]))
    return traces, labels


def _calibration(baseline: float, gain: float) -> NDArray[np.float64]:
    left = MARGIN + 3.0
    x = left + np.array([0.0, 2.5, 2.5, 7.5, 7.5, 10.0])
    return np.column_stack([x, baseline - gain * np.array([0, 0, 1, 1, 0, 0])])


def _blank(width: float, height: float, dpi: int) -> tuple[Figure, Axes]:
    """Paper without a grid, and axes in mm from its top left."""
    figure = Figure(figsize=(width / 25.4, height / 25.4), dpi=dpi, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def _draw_grid(axes: Axes, width: float, height: float) -> None:
    for step, colour, line in ((1, MINOR, MINOR_WIDTH), (5, MAJOR, MAJOR_WIDTH)):
        axes.add_collection(LineCollection(_grid_lines(width, height, step), colors=colour, linewidths=_points(line)))


def _draw_traces(axes: Axes, traces: Sequence[NDArray[np.float64]]) -> None:
    axes.add_collection(LineCollection(traces, colors=INK, linewidths=_points(TRACE_WIDTH), joinstyle="round"))


def _draw_labels(axes: Axes, labels: Iterable[Label]) -> None:
    anchors = {"start": "left", "middle": "center", "end": "right"}
    for label in labels:
        axes.text(
            label.x,
            label.y,
            _in_font(label.text, label.bold),
            fontsize=_points(label.size),
            fontfamily=DRAWN_FONT,
            fontweight="bold" if label.bold else "normal",
            color=INK,
            horizontalalignment=anchors[label.anchor],
            verticalalignment="baseline",
            parse_math=False,
        )


@lru_cache(4)
def _paper_pixels(width: float, height: float, dpi: int, names: tuple[Label, ...]) -> NDArray[np.uint8]:
    """Grid and names of leads in RGBA: they take longer to draw than a record, and are the same on all of a size."""
    figure, axes = _blank(width, height, dpi)
    _draw_grid(axes, width, height)
    _draw_labels(axes, names)
    return _rendered(figure)


def _rendered(figure: Figure, background: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """What a figure looks like, (rows, columns, 4), drawn over `background` in place of its own."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    pixels = np.asarray(renderer.buffer_rgba())
    if background is not None:
        figure.patch.set_visible(False)
        pixels[:] = background
    figure.draw(renderer)
    return pixels.copy()


def _grid_lines(width: float, height: float, step: int) -> list[list[tuple[float, float]]]:
    lines = [[(x, 0.0), (x, height)] for x in _grid_places(width, step)]
    return lines + [[(0.0, y), (width, y)] for y in _grid_places(height, step)]


def _grid_places(length: float, step: int) -> list[float]:
    return [float(place) for place in range(0, int(length) + 1, step) if step > 1 or place % 5]


def _svg_grid(sheet: Sheet, step: int, colour: str, width: float) -> str:
    vertical = "".join(f"M{x:g} 0V{sheet.height:g}" for x in _grid_places(sheet.width, step))
    horizontal = "".join(f"M0 {y:g}H{sheet.width:g}" for y in _grid_places(sheet.height, step))
    return f'<path fill="none" stroke="{colour}" stroke-width="{width}" d="{vertical}{horizontal}"/>'


def _svg_trace(points: NDArray[np.float64]) -> str:
    units = np.rint(points / RESOLUTION).astype(int)
    steps: Sequence[Sequence[int]] = np.diff(units, axis=0).tolist()
    moves = " ".join(f"{x} {y}" for x, y in steps)
    return f"M{units[0, 0]} {units[0, 1]}l{moves}".replace(" -", "-")


def _svg_label(label: Label) -> str:
    weight = ' font-weight="bold"' if label.bold else ""
    anchor = "" if label.anchor == "start" else f' text-anchor="{label.anchor}"'
    place = f'x="{label.x:g}" y="{label.y:g}" font-size="{label.size:g}"'
    return f"<text {place}{weight}{anchor}>{escape(label.text)}</text>" if label.text else ""


def _in_font(text: str, bold: bool) -> str:
    return "".join(character if ord(character) in _characters(bold) else "?" for character in text)


@lru_cache(2)
def _characters(bold: bool) -> frozenset[int]:
    """Those that the drawn font has."""
    path = findfont(FontProperties(family=DRAWN_FONT, weight="bold" if bold else "normal"))
    return frozenset(get_font(path).get_charmap())


def _shorten(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _points(millimetres: float) -> float:
    return millimetres / 25.4 * 72
