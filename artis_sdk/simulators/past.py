"""Histories that only grow: values derived from earlier steps are kept, so that a step costs the same
however long the history is."""

from __future__ import annotations

from artis_sdk.records import History


class HistoryCursor:
    """The history at the last look."""

    def __init__(self) -> None:
        self.steps: History = ()

    def advance(self, history: History) -> History | None:
        """Take in the present history.

        Returns:
            The steps that are new since the last time; None if it is not the earlier history with steps
            added.
        """
        known = len(self.steps)
        grown = history[:known] == self.steps  # compares by identity first: no Python code runs
        self.steps = history
        return history[known:] if grown else None
