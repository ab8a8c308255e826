"""Earlier attempts cut to a model's context window, the oldest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from artis_sdk.loop.views import attempt_view, trajectory
from artis_sdk.prompts import Data, call_view, encode, encode_lines
from artis_sdk.records import Attempt

_TAGS = 24  # tokens of the tags and line breaks around one attempt


def fit_attempts(
    attempts: Sequence[Attempt],
    room: int | None,
    count: Callable[[str], int],
    view: Callable[[Attempt], Data] = trajectory,
) -> tuple[list[dict[str, Any]], int]:
    """Condense the oldest attempts until all fit.

    An attempt first loses the results of its calls, then the calls; verdict and suggestion stay. The
    oldest attempt loses both before the next one is touched; no attempt is left out. If they still do
    not fit, the backend raises an error.

    Args:
        attempts: the attempts, oldest first.
        room: maximum tokens of all attempts; None for no limit.
        count: function that counts the tokens of a text.
        view: function that writes an attempt in full.

    Returns:
        The entries of a template's `attempts`, and the number of condensed ones.
    """
    views = [attempt_view(attempt, view(attempt)) for attempt in attempts]
    if room is None:
        return views, 0
    sizes = [_size(view, count) for view in views]
    condensed = 0
    for index, attempt in enumerate(attempts):
        for shorter in (_calls_only, _verdict_only):
            if sum(sizes) <= room:
                return views, condensed
            views[index] = attempt_view(attempt, shorter(attempt))
            sizes[index] = _size(views[index], count)
            condensed = index + 1
    return views, condensed


def _calls_only(attempt: Attempt) -> Data:
    lines: list[Any] = []
    for step in attempt.steps:
        line = {"action": call_view(step.call)}
        lines.append(line if step.outcome.ok else {**line, "failed": step.outcome.type})
    if attempt.answer is not None:
        lines.append({"answer": attempt.answer})
    return encode_lines(lines)


def _verdict_only(attempt: Attempt) -> Data:
    return encode({"calls": len(attempt.steps), "condensed": "left out for length"})


def _size(view: dict[str, Any], count: Callable[[str], int]) -> int:
    return _TAGS + sum(count(encode(field)) for field in view.values() if field is not None)
