"""Small line charts as inline SVG, for learning curves."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 260, 120, 34


Curve = tuple[Sequence[float], Sequence[float]]  # x and y
CLASSES = ("curve", "curve second")


def line_chart(*curves: Curve) -> str:
    """SVG of y over x of one curve or two, the axis logarithmic where y is positive and spans more than a decade."""
    drawn = [(number, curve) for number, curve in enumerate(curves) if len(curve[0]) >= 2]
    if not drawn:
        return "<p>too few points to draw</p>"
    every = [value for _, (_, y) in drawn for value in y]
    logarithmic = min(every) > 0 and max(every) / min(every) > 10
    low, high = (math.log10(v) if logarithmic else v for v in (min(every), max(every)))
    first, last = min(x[0] for _, (x, _) in drawn), max(x[-1] for _, (x, _) in drawn)
    span, length = high - low or 1.0, last - first or 1.0
    lines = []
    for number, (x, y) in drawn:
        values = [math.log10(v) for v in y] if logarithmic else y
        points = " ".join(
            f"{MARGIN + (a - first) / length * (WIDTH - MARGIN - 6):.1f},{8 + (high - b) / span * (HEIGHT - 30):.1f}"
            for a, b in zip(x, values, strict=True)
        )
        lines.append(f'<polyline points="{points}" class="{CLASSES[number]}"/>')
    told = "; ".join(f"from {y[0]:.3g} to {y[-1]:.3g}" for _, (_, y) in drawn)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{told}">'
        f'<line x1="{MARGIN}" y1="{HEIGHT - 20}" x2="{WIDTH - 6}" y2="{HEIGHT - 20}" class="axis"/>'
        f'<line x1="{MARGIN}" y1="6" x2="{MARGIN}" y2="{HEIGHT - 20}" class="axis"/>'
        f"{''.join(lines)}"
        f'<text x="{MARGIN - 3}" y="14" text-anchor="end">{max(every):.2g}</text>'
        f'<text x="{MARGIN - 3}" y="{HEIGHT - 22}" text-anchor="end">{min(every):.2g}</text>'
        f'<text x="{WIDTH - 6}" y="{HEIGHT - 6}" text-anchor="end">{last:.0f} steps</text></svg>'
    )
