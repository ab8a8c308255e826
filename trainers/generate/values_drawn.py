"""Values as Hypothesis draws them, whatever else the process has loaded."""

from __future__ import annotations

from typing import Any

from hypothesis.internal.conjecture.choice import choice_permitted
from hypothesis.internal.conjecture.providers import GLOBAL_CONSTANTS, HypothesisProvider


class ValuesDrawn(HypothesisProvider):
    """A backend of Hypothesis that leaves out the constants of loaded modules.

    Hypothesis mixes into what it draws the constants of every module of the application's that is loaded,
    this package's too where it is installed from a checkout, and writes them to a folder `.hypothesis`. So
    a seed would give other values in a worker, and after any change of any source.
    """

    def _maybe_draw_constant(self, choice_type: Any, constraints: Any, *, p: float = 0.05) -> Any:
        assert self._random is not None
        if self._random.random() > p:
            return None
        known = GLOBAL_CONSTANTS.set_for_type(choice_type)
        fitting = [value for value in known if choice_permitted(value, constraints)]
        return self._random.choice(fitting) if fitting else None
