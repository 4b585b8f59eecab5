"""What every chart is made of: a document in SVG, its words, and round ends of axes."""

from collections.abc import Iterable
from html import escape

COLOURS = ("#0b6e4f", "#b3541e", "#2c5aa0", "#7a3e9d", "#555555")
_STYLE = "text{font:12px sans-serif;fill:#333}.t{font-size:14px;font-weight:bold}"


def document(parts: Iterable[str], *, width: int, height: int) -> str:
    """Return a whole document of that size on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
    )
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """Return words at a place; of the kind `t` they are a title."""
    name = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{name}>{escape(words)}</text>"


def ceiling(most: float) -> float:
    """Return a round number not below `most`."""
    unit = 1.0
    while unit * 10 < most:
        unit *= 10
    return next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= most)
