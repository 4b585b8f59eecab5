"""Line charts as SVG, without a library: a few series over one axis."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 140, 40, 46
_COLOURS = ("#0b6e4f", "#b3541e", "#2c5aa0", "#7a3e9d", "#555555")
_STEPS = 5
_STYLE = "text{font:12px sans-serif;fill:#333}.t{font-size:14px;font-weight:bold}"

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
    most_y = _ceiling(max(y for points in series.values() for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + width * x / most_x, _HEIGHT - _BOTTOM - height * y / most_y

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        _text(_LEFT, 22, title, "start", "t"),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, across),
        _text(_LEFT - 8, _TOP - 8, up, "end"),
    ]
    for step in range(_STEPS + 1):
        y = most_y * step / _STEPS
        (left, height), (right, _) = place(0, y), place(most_x, y)
        parts.append(f'<path d="M{left:.1f} {height:.1f}H{right:.1f}" stroke="#ddd"/>')
        parts.append(_text(left - 8, height + 4, f"{y:,.0f}", "end"))
        x = most_x * step / _STEPS
        parts.append(_text(place(x, 0)[0], _HEIGHT - _BOTTOM + 18, f"{x:,.4g}"))
    for number, (name, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = place(*points[-1])
        parts.append(_text(x + 8, y + 4, name, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{name}>{escape(words)}</text>"


def _ceiling(most: float) -> float:
    """Return a round number not below `most`."""
    unit = 1.0
    while unit * 10 < most:
        unit *= 10
    return next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= most)
