"""The curves of a run: reward, success, calls, response length, execution, over steps, as an SVG document."""

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
_SMOOTH: Final = 10  # steps of a moving mean


def plot(history: Sequence[Mapping[str, Any]]) -> str:
    """One small plot a measure.

    Args:
        history: entries with a `step`, as transformers logs them.
    """
    shown = [(series(history, name), title) for name, title in SHOWN]
    shown = [(points, title) for points, title in shown if points]
    rows = -(-len(shown) // _ACROSS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * _ACROSS}" height="{_HEIGHT * rows}"'
        ' font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for place, (points, title) in enumerate(shown):
        left, top = place % _ACROSS * _WIDTH, place // _ACROSS * _HEIGHT
        parts.append(f'<g transform="translate({left},{top})">{_one(points, title)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def series(history: Sequence[Mapping[str, Any]], name: str) -> list[tuple[int, float]]:
    """Steps and values of one measure, in order; of a step that was logged twice, the later."""
    return sorted({int(e["step"]): float(e[name]) for e in history if name in e and "step" in e}.items())


def _one(points: Sequence[tuple[int, float]], title: str) -> str:
    low, high = min(0.0, *(y for _, y in points)), max(y for _, y in points)
    high = high if high > low else low + 1.0
    last = max(points[-1][0], 1)

    def at(point: tuple[float, float]) -> str:
        x = _LEFT + point[0] / last * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - (point[1] - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    raw = " ".join(map(at, points))
    parts = [
        f'<text x="{_LEFT}" y="20" font-size="12">{escape(title)}</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{_LEFT - 6}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">step {last}</text>',
        f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" fill="none" stroke="#888"/>',
    ]
    if len(points) <= _SMOOTH:
        dots = [at(point).split(",") for point in points]
        parts += [f'<circle cx="{x}" cy="{y}" r="2.5" fill="#1f77b4"/>' for x, y in dots]
        return "".join([*parts, f'<polyline points="{raw}" fill="none" stroke="#1f77b4"/>'])
    smooth = " ".join(at((points[n][0], _mean(points, n))) for n in range(len(points)))
    parts.append(f'<polyline points="{raw}" fill="none" stroke="#c6dbef"/>')
    return "".join([*parts, f'<polyline points="{smooth}" fill="none" stroke="#1f77b4" stroke-width="1.6"/>'])


def _mean(points: Sequence[tuple[int, float]], to: int) -> float:
    some = points[max(0, to - _SMOOTH + 1) : to + 1]
    return sum(y for _, y in some) / len(some)
