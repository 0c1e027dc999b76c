"""Small line charts as inline SVG, for learning curves."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 260, 120, 34


def line_chart(x: Sequence[float], y: Sequence[float]) -> str:
    """SVG of y over x, its axis logarithmic where y is positive and spans more than a decade."""
    if len(x) < 2:
        return "<p>too few points to draw</p>"
    logarithmic = min(y) > 0 and max(y) / min(y) > 10
    values = [math.log10(v) for v in y] if logarithmic else list(y)
    low, high = min(values), max(values)
    span = high - low or 1.0
    points = " ".join(
        f"{MARGIN + (a - x[0]) / (x[-1] - x[0]) * (WIDTH - MARGIN - 6):.1f},{8 + (high - b) / span * (HEIGHT - 30):.1f}"
        for a, b in zip(x, values, strict=True)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="from {y[0]:.3g} to {y[-1]:.3g}">'
        f'<line x1="{MARGIN}" y1="{HEIGHT - 20}" x2="{WIDTH - 6}" y2="{HEIGHT - 20}" class="axis"/>'
        f'<line x1="{MARGIN}" y1="6" x2="{MARGIN}" y2="{HEIGHT - 20}" class="axis"/>'
        f'<polyline points="{points}" class="curve"/>'
        f'<text x="{MARGIN - 3}" y="14" text-anchor="end">{max(y):.2g}</text>'
        f'<text x="{MARGIN - 3}" y="{HEIGHT - 22}" text-anchor="end">{min(y):.2g}</text>'
        f'<text x="{WIDTH - 6}" y="{HEIGHT - 6}" text-anchor="end">{x[-1]:.0f} steps</text></svg>'
    )
