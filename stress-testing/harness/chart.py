"""Line charts as SVG, without a library: a few series over one axis."""

from collections.abc import Mapping, Sequence

from harness.svg import COLOURS, ceiling, document, text

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 140, 40, 46
_STEPS = 5

Points = Sequence[tuple[float, float]]


def line_chart(series: Mapping[str, Points], *, title: str, across: str, up: str) -> str:
    """Return an SVG document.

    Args:
        series: Points by name; both axes begin at 0.
        title: What it shows.
        across: What the horizontal axis counts.
        up: What the vertical axis counts.
    """
    most_x = max(x for points in series.values() for x, _ in points) or 1
    most_y = ceiling(max(y for points in series.values() for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + width * x / most_x, _HEIGHT - _BOTTOM - height * y / most_y

    parts = [
        text(_LEFT, 22, title, "start", "t"),
        text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, across),
        text(_LEFT - 8, _TOP - 8, up, "end"),
    ]
    for step in range(_STEPS + 1):
        y = most_y * step / _STEPS
        (left, height), (right, _) = place(0, y), place(most_x, y)
        parts.append(f'<path d="M{left:.1f} {height:.1f}H{right:.1f}" stroke="#ddd"/>')
        parts.append(text(left - 8, height + 4, f"{y:,.0f}", "end"))
        x = most_x * step / _STEPS
        parts.append(text(place(x, 0)[0], _HEIGHT - _BOTTOM + 18, f"{x:,.4g}"))
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = place(*points[-1])
        parts.append(text(x + 8, y + 4, name, "start"))
    return document(parts, width=_WIDTH, height=_HEIGHT)
