"""The journal's former place, kept for those who import it from here: it is `artis_sdk.commit.journal`."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

_NAMES = {"Journal": "SQLiteJournal", "CallState": "CallState", "JournaledCall": "JournaledCall"}

if not TYPE_CHECKING:  # a type checker is to see that nothing is here any more

    def __getattr__(name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(
            f"artis_sdk.loop.journal.{name} is artis_sdk.commit.journal.{_NAMES[name]}",
            DeprecationWarning,
            stacklevel=2,
        )
        # By its name as a string: the loop stands below the commit and depends on none of it.
        return getattr(import_module("artis_sdk.commit.journal"), _NAMES[name])
