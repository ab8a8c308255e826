"""Curves in panels side by side, as one SVG: the plots of benchmarks and of training runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Final, NamedTuple

from markupsafe import Markup

from artis_sdk.view import svg

COLOURS: Final = ("#1f77b4", "#c4552d", "#2f8f3f", "#8a4fbf", "#b8860b", "#7a7a7a", "#d4508c", "#159a8c")
"""They can be told apart on white and on black."""
_WIDTH, _HEIGHT = 430, 230  # pixels of one panel
_LEFT, _TOP, _RIGHT, _BOTTOM = 54, 34, 20, 44
_ROW: Final = 18  # pixels of a row of the legend, and of the caption
_LETTER: Final = 6.6  # pixels of a letter of the legend, on average
_DODGED: Final = 28  # pixels that the intervals of all curves at one place may take
_FEW: Final = 24  # points of a curve up to which each has a mark


class Curve(NamedTuple):
    """One curve of a panel."""

    name: str
    """The same in all panels; it decides the colour."""
    points: Sequence[tuple[float, float]]
    intervals: Sequence[tuple[float, float]] = ()
    """Low and high of each point; empty without intervals."""
    behind: Sequence[tuple[float, float]] = ()
    """Points that are drawn faintly behind the curve, such as those that it is the mean of."""


class Panel(NamedTuple):
    """A plot with axes of its own."""

    title: str
    curves: Sequence[Curve]
    across: str
    """Name of what goes across."""
    ticks: Sequence[float] = ()
    """Values across that are labelled; round ones by default."""


def curves(panels: Sequence[Panel], *, caption: str = "", columns: int = 2) -> str:
    """The panels as an SVG document, with one legend where there are several curves.

    Args:
        panels: the panels, row by row.
        caption: the line below them: what was measured, on how much, when, by which command.
        columns: panels side by side.
    """
    if not panels:
        return svg.document(_WIDTH, _BOTTOM, svg.text(_LEFT, _BOTTOM / 2, f"nothing to show; {caption}"))
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    longest = max((len(name) for name in names), default=0) if len(names) > 1 else 0
    width = max(_WIDTH * min(columns, len(panels)), _LEFT + ceil(_needed(longest)))
    legend, below = _legend(names, width) if len(names) > 1 else ([], 0)
    parts = list(legend)
    for place, panel in enumerate(panels):
        left, top = place % columns * _WIDTH, place // columns * _HEIGHT + below
        parts.append(svg.element("g", *_panel(panel, names), transform=f"translate({left},{top})"))
    height = below + _HEIGHT * ceil(len(panels) / columns)
    if caption:
        parts.append(svg.text(_LEFT, height + 8, caption, font_size=10))
        height += _ROW
    return svg.document(width, height, *parts, font_size=11)


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, in up to `most` equal steps."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** floor(log10(span / most))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * size
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        if last - first <= most:
            break
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _legend(names: Sequence[str], width: float) -> tuple[list[Markup], int]:
    """The names with their colours, and the height that they take."""
    parts: list[Markup] = []
    x, y = float(_LEFT), 16
    for place, name in enumerate(names):
        needed = _needed(len(name))
        if x + needed > width and x > _LEFT:
            x, y = float(_LEFT), y + _ROW
        parts += [
            svg.line(x, y - 4, x + 18, y - 4, stroke_width=2.5, **_stroke(place)),
            svg.text(x + 24, y, name),
        ]
        x += needed
    return parts, y + 8


def _needed(letters: int) -> float:
    """Pixels of a name of the legend, with its line."""
    return 34 + _LETTER * letters


def _stroke(place: int) -> dict[str, svg.Attribute]:
    style: dict[str, svg.Attribute] = {"stroke": COLOURS[place % len(COLOURS)]}
    if place >= len(COLOURS):
        style["stroke_dasharray"] = "5 3"
    return style


def _panel(panel: Panel, names: Sequence[str]) -> list[Markup]:
    values = [value for curve in panel.curves for _, value in (*curve.points, *curve.behind)]
    values += [end for curve in panel.curves for interval in curve.intervals for end in interval]
    up = round_ticks(min(0.0, *values), max(values))
    across = [x for curve in panel.curves for x, _ in curve.points]
    ticks = panel.ticks or round_ticks(min(across), max(across))
    first, last = min(ticks), max(ticks)
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    inset = _DODGED / 2 if any(curve.intervals for curve in panel.curves) else 0

    def at(x: float, y: float) -> svg.Point:
        return (
            _LEFT + inset + (wide - 2 * inset) * (x - first) / ((last - first) or 1),
            _HEIGHT - _BOTTOM - tall * (y - up[0]) / (up[-1] - up[0]),
        )

    parts = [svg.text(_LEFT, 20, panel.title, font_size=12, font_weight="bold")]
    for value in up:
        y = at(first, value)[1]
        parts.append(svg.line(_LEFT, y, _LEFT + wide, y, class_="grid"))
        parts.append(svg.text(_LEFT - 6, y + 4, f"{value:g}", text_anchor="end"))
    for tick in ticks:
        x, y = at(tick, up[0])
        parts.append(svg.text(x, y + 16, f"{tick:g}", text_anchor="middle"))
    parts.append(svg.text(_LEFT + wide / 2, _HEIGHT - 10, panel.across, text_anchor="middle"))
    middle = (len(panel.curves) - 1) / 2
    for place, curve in enumerate(panel.curves):
        aside = _DODGED / len(panel.curves) * (place - middle) if curve.intervals else 0.0
        parts += _curve(curve, names.index(curve.name), aside, at)
    return parts


def _curve(curve: Curve, colour: int, aside: float, at: svg.Scale) -> list[Markup]:
    """A curve, with its intervals and marks moved aside by so many pixels."""
    style = _stroke(colour)
    placed = [(x + aside, y) for x, y in (at(*point) for point in curve.points)]
    parts = []
    if curve.behind:
        faint = [at(*point) for point in curve.behind]
        parts.append(svg.polyline(faint, **style, stroke_opacity="0.3"))
    parts.append(svg.polyline(placed, **style, stroke_width=2))
    for (x, _), (_, value), (low, high) in zip(placed, curve.points, curve.intervals, strict=False):
        bottom, top = at(0, low)[1], at(0, high)[1]
        told = svg.tooltip(f"{curve.name}: {value:g} [{low:g}, {high:g}]")
        parts.append(svg.line(x, bottom, x, top, told, **style, stroke_opacity="0.6"))
    if len(placed) <= _FEW:
        parts += [svg.circle(x, y, 2.5, fill=style["stroke"]) for x, y in placed]
    return parts
