"""What functions close over."""

from __future__ import annotations

from types import FunctionType
from typing import Any


def closed_over(function: FunctionType) -> dict[str, Any]:
    """The values of a nested function's outer variables by name, as far as they are set."""
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found
