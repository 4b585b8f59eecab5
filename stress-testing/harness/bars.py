"""Bar charts as SVG, without a library: panels one below the other, each on an axis of its own."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from harness.svg import COLOURS, ceiling, document, text

_WIDTH, _LEFT, _RIGHT, _MARGIN = 760, 250, 96, 16
_TOP, _TITLE, _LINE, _ROW, _BAR, _AXIS = 40, 24, 14, 24, 14, 36
_STEPS = 5
_OURS, _OTHER, _AIM = COLOURS[0], "#9aa5a0", COLOURS[1]


class Bar(Struct, frozen=True, kw_only=True):
    """One bar.

    Attributes:
        name: Whose it is.
        value: Its length.
        rounds: Of which it is the median; a line goes from the least to the most.
        ours: Whether it is the product's own.
    """

    name: str
    value: float
    rounds: Sequence[float] = ()
    ours: bool = False


class Panel(Struct, frozen=True, kw_only=True):
    """Bars of one quantity.

    Attributes:
        title: The quantity, with its unit.
        bars: The bars, from the top.
        aim: What was aimed at, as a broken line; None if nothing was.
    """

    title: str
    bars: Sequence[Bar]
    aim: float | None = None


def bar_chart(panels: Sequence[Panel], *, title: str) -> str:
    """Return an SVG document; every axis begins at 0."""
    parts, top = [text(_MARGIN, 22, title, "start", "t")], float(_TOP)
    for panel in panels:
        parts += _drawn(panel, top)
        top += _head(panel) + _ROW * len(panel.bars) + _AXIS
    return document(parts, width=_WIDTH, height=round(top))


def _head(panel: Panel) -> int:
    """Return the height above the bars: the title, and a line for the aim."""
    return _TITLE if panel.aim is None else _TITLE + _LINE


def _drawn(panel: Panel, top: float) -> Iterator[str]:
    most = max(max(bar.value, *bar.rounds, panel.aim or 0) for bar in panel.bars)
    end, across = ceiling(most), _WIDTH - _LEFT - _RIGHT
    first = top + _head(panel)
    bottom = first + _ROW * len(panel.bars)

    def place(value: float) -> float:
        return _LEFT + across * value / end

    yield text(_MARGIN, top + 14, panel.title, "start")
    for step in range(_STEPS + 1):
        x = place(end * step / _STEPS)
        yield f'<path d="M{x:.1f} {first:.1f}V{bottom:.1f}" stroke="#ddd"/>'
        yield text(x, bottom + 16, f"{end * step / _STEPS:,.10g}")
    for number, bar in enumerate(panel.bars):
        y = first + _ROW * number + (_ROW - _BAR) / 2
        middle, colour = y + _BAR / 2, _OURS if bar.ours else _OTHER
        yield text(_LEFT - 8, middle + 4, bar.name, "end")
        yield (
            f'<rect x="{_LEFT}" y="{y:.1f}" width="{place(bar.value) - _LEFT:.1f}"'
            f' height="{_BAR}" fill="{colour}"/>'
        )
        furthest = bar.value
        if len(bar.rounds) > 1:
            least, furthest = min(bar.rounds), max(bar.rounds)
            yield (
                f'<path d="M{place(least):.1f} {middle:.1f}H{place(furthest):.1f}"'
                ' stroke="#333" stroke-width="2"/>'
            )
        yield text(place(max(furthest, bar.value)) + 6, middle + 4, f"{bar.value:,}", "start")
    if panel.aim is not None:
        x = place(panel.aim)
        yield (
            f'<path d="M{x:.1f} {first - 4:.1f}V{bottom:.1f}" stroke="{_AIM}"'
            ' stroke-width="2" stroke-dasharray="5 3"/>'
        )
        yield text(x, first - 8, f"aim {panel.aim:,.10g}")
