"""The curves of runs: reward, success, calls, response length, execution, over steps, as an SVG document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from artis_sdk.view.curves import Curve, Panel, curves

SHOWN: Final = (
    ("reward", "reward"),
    ("held_out_success", "success on held-out tasks"),
    ("rewards/answer/mean", "answer reward"),
    ("tool_calls", "tool calls a task"),
    ("response_length", "response length, tokens"),
    ("execution_success", "calls that ran"),
)
_SMOOTH: Final = 10
"""Steps of a moving mean."""

History = Sequence[Mapping[str, Any]]
"""Entries with a `step`, as transformers logs them."""
Points = Sequence[tuple[int, float]]


def plot(runs: Mapping[str, History], caption: str = "") -> str:
    """One small plot per measure.

    Args:
        runs: runs by name; names are shown if there are several.
        caption: the line below the plots, see `curves`.
    """
    panels = [Panel(title, _of(runs, name), "step") for name, title in SHOWN]
    return curves([panel for panel in panels if panel.curves], caption=caption)


def series(history: History, name: str) -> list[tuple[int, float]]:
    """Steps and values of one measure, in order; the later value of a step logged twice."""
    return sorted({int(e["step"]): float(e[name]) for e in history if name in e and "step" in e}.items())


def _of(runs: Mapping[str, History], name: str) -> list[Curve]:
    """A measure of each run that has it; of a long one the moving mean, before its values if it is alone."""
    found = {run: series(history, name) for run, history in runs.items()}
    return [
        Curve(run, _means(points), behind=points if len(found) == 1 else ())
        if len(points) > _SMOOTH
        else Curve(run, points)
        for run, points in found.items()
        if points
    ]


def _means(points: Points) -> list[tuple[int, float]]:
    some = [[value for _, value in points[max(0, to - _SMOOTH) : to]] for to in range(1, len(points) + 1)]
    return [(step, sum(last) / len(last)) for (step, _), last in zip(points, some, strict=True)]
