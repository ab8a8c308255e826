"""The curves of runs: reward, success, calls, response length, execution, over steps, as an SVG document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from artis_sdk.view import svg

SHOWN: Final = (
    ("reward", "reward"),
    ("held_out_success", "success on held-out tasks"),
    ("rewards/answer/mean", "answer reward"),
    ("tool_calls", "tool calls a task"),
    ("response_length", "response length, tokens"),
    ("execution_success", "calls that ran"),
)
_WIDTH, _HEIGHT, _ACROSS = 300, 170, 2  # pixels of one plot, plots side by side
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 34, 14, 24
_LEGEND: Final = 22  # pixels
_SMOOTH: Final = 10  # steps of a moving mean
_COLOURS: Final = (
    ("#1f77b4", "#c6dbef"),
    ("#d62728", "#f7c6c5"),
    ("#2ca02c", "#c7e9c0"),
    ("#9467bd", "#dadaeb"),
)

History = Sequence[Mapping[str, Any]]
"""Entries with a `step`, as transformers logs them."""
Points = Sequence[tuple[int, float]]


def plot(runs: Mapping[str, History]) -> str:
    """One small plot per measure.

    Args:
        runs: up to four runs by name; names are shown if there are several.
    """
    shown = [([series(history, name) for history in runs.values()], title) for name, title in SHOWN]
    shown = [(lines, title) for lines, title in shown if any(lines)]
    legend = _LEGEND if len(runs) > 1 else 0
    height = _HEIGHT * -(-len(shown) // _ACROSS) + legend
    parts = []
    if legend:
        names = zip(runs, _COLOURS, strict=False)
        spans = [svg.element("tspan", name, fill=dark, dx=12) for name, (dark, _) in names]
        parts.append(svg.text(_LEFT - 12, 16, *spans, font_weight="bold"))
    for place, (lines, title) in enumerate(shown):
        left, top = place % _ACROSS * _WIDTH, place // _ACROSS * _HEIGHT + legend
        parts.append(svg.element("g", *_one(lines, title), transform=f"translate({left},{top})"))
    return svg.document(_WIDTH * _ACROSS, height, *parts, font_size=11)


def series(history: History, name: str) -> list[tuple[int, float]]:
    """Steps and values of one measure, in order; the later value of a step logged twice."""
    return sorted({int(e["step"]): float(e[name]) for e in history if name in e and "step" in e}.items())


def _one(lines: Sequence[Points], title: str) -> list[Markup]:
    values = [y for points in lines for _, y in points]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1.0
    last = max(1, *(x for points in lines for x, _ in points))

    def at(x: float, y: float) -> svg.Point:
        across, up = (_WIDTH - _LEFT - _RIGHT) / last, (_HEIGHT - _TOP - _BOTTOM) / (high - low)
        return _LEFT + x * across, _HEIGHT - _BOTTOM - (y - low) * up

    def curve(points: Points, colour: str, width: float = 1.0) -> Markup:
        return svg.polyline([at(x, y) for x, y in points], stroke=colour, stroke_width=width)

    axes = f"M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"
    parts = [
        svg.text(_LEFT, 20, title, font_size=12),
        svg.text(_LEFT - 6, _TOP + 4, f"{high:.3g}", text_anchor="end"),
        svg.text(_LEFT - 6, _HEIGHT - _BOTTOM, f"{low:.3g}", text_anchor="end"),
        svg.text(_WIDTH - _RIGHT, _HEIGHT - 8, f"step {last}", text_anchor="end"),
        svg.element("path", d=axes, fill="none", stroke="#888"),
    ]
    smooth: list[Markup] = []
    for points, (dark, light) in zip(lines, _COLOURS, strict=False):
        if len(points) > _SMOOTH:
            parts += [curve(points, light)] if len(lines) == 1 else []
            means = [(points[n][0], _mean(points, n)) for n in range(len(points))]
            smooth.append(curve(means, dark, 1.6))
        elif points:
            smooth += [svg.circle(*at(x, y), 2.5, fill=dark) for x, y in points]
            smooth.append(curve(points, dark))
    return [*parts, *smooth]


def _mean(points: Points, to: int) -> float:
    some = points[max(0, to - _SMOOTH + 1) : to + 1]
    return sum(y for _, y in some) / len(some)
