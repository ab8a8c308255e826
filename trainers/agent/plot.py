"""The curves of runs: reward, success, calls, response length, execution, over steps, as an SVG document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

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
    """One small plot a measure.

    Args:
        runs: by name, four at most; names are shown where there are several.
    """
    shown = [([series(history, name) for history in runs.values()], title) for name, title in SHOWN]
    shown = [(lines, title) for lines, title in shown if any(lines)]
    legend = _LEGEND if len(runs) > 1 else 0
    height = _HEIGHT * -(-len(shown) // _ACROSS) + legend
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * _ACROSS}" height="{height}"'
        ' font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    if legend:
        names = zip(runs, _COLOURS, strict=False)
        spans = [f'<tspan fill="{dark}" dx="12">{escape(name)}</tspan>' for name, (dark, _) in names]
        parts.append(f'<text x="{_LEFT - 12}" y="16" font-weight="bold">{"".join(spans)}</text>')
    for place, (lines, title) in enumerate(shown):
        left, top = place % _ACROSS * _WIDTH, place // _ACROSS * _HEIGHT + legend
        parts.append(f'<g transform="translate({left},{top})">{_one(lines, title)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def series(history: History, name: str) -> list[tuple[int, float]]:
    """Steps and values of one measure, in order; of a step that was logged twice, the later."""
    return sorted({int(e["step"]): float(e[name]) for e in history if name in e and "step" in e}.items())


def _one(lines: Sequence[Points], title: str) -> str:
    values = [y for points in lines for _, y in points]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1.0
    last = max(1, *(x for points in lines for x, _ in points))

    def at(x: float, y: float) -> str:
        across, up = (_WIDTH - _LEFT - _RIGHT) / last, (_HEIGHT - _TOP - _BOTTOM) / (high - low)
        return f"{_LEFT + x * across:.1f},{_HEIGHT - _BOTTOM - (y - low) * up:.1f}"

    def curve(points: Points, colour: str, width: float = 1.0) -> str:
        path = " ".join(at(x, y) for x, y in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    parts = [
        f'<text x="{_LEFT}" y="20" font-size="12">{escape(title)}</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{_LEFT - 6}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">step {last}</text>',
        f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" fill="none" stroke="#888"/>',
    ]
    smooth: list[str] = []
    for points, (dark, light) in zip(lines, _COLOURS, strict=False):
        if len(points) > _SMOOTH:
            parts += [curve(points, light)] if len(lines) == 1 else []
            means = [(points[n][0], _mean(points, n)) for n in range(len(points))]
            smooth.append(curve(means, dark, 1.6))
        elif points:
            dots = [at(x, y).split(",") for x, y in points]
            smooth += [f'<circle cx="{x}" cy="{y}" r="2.5" fill="{dark}"/>' for x, y in dots]
            smooth.append(curve(points, dark))
    return "".join([*parts, *smooth])


def _mean(points: Points, to: int) -> float:
    some = points[max(0, to - _SMOOTH + 1) : to + 1]
    return sum(y for _, y in some) / len(some)
