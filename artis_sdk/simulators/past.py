"""Histories that only grow: what was derived from the steps before is kept, so a step costs the same
however long the history is."""

from __future__ import annotations

from artis_sdk.records import History


class HistoryCursor:
    """The history as it was last seen."""

    def __init__(self) -> None:
        self.steps: History = ()

    def advance(self, history: History) -> History | None:
        """Take the history as it is now.

        Returns:
            The steps that are new since the last time; None where it is not the one seen before with
            steps added.
        """
        known = len(self.steps)
        grown = history[:known] == self.steps  # compares by identity first: no Python code runs
        self.steps = history
        return history[known:] if grown else None
