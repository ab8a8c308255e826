"""Attempts after words that were judged wrong: they begin with a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from artis_sdk.loop.actor import nothing_is_due
from artis_sdk.records import Attempt


def first_turn_is_due(prior: Sequence[Attempt]) -> Callable[[], bool]:
    """`Briefing.is_due` of a rehearsed attempt: its first turn has to be a call if all earlier attempts were
    words, and were judged wrong. A small model says the same words again, whatever it is told. Only for
    rehearsals, where a call costs nothing.

    Args:
        prior: earlier attempts that the agent is shown.
    """
    if not prior or not all(map(_only_wrong_words, prior)):
        return nothing_is_due
    turns = iter((True,))
    return lambda: next(turns, False)


def _only_wrong_words(attempt: Attempt) -> bool:
    return not attempt.steps and attempt.evaluation is not None and not attempt.evaluation.correct
