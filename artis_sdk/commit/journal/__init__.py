"""The commit journal: intent before a real call, outcome after it."""

from typing import TYPE_CHECKING

from artis_sdk._former_names import renamed
from artis_sdk.commit.journal.call import FINISHED, OPEN, REFUSED, CallState, Intent, JournaledCall
from artis_sdk.commit.journal.decision import CallChange, Decided, Decision, PlanChange
from artis_sdk.commit.journal.protocol import CommitJournal
from artis_sdk.commit.journal.sqlite import SQLiteJournal

__all__ = [
    "FINISHED",
    "OPEN",
    "REFUSED",
    "CallChange",
    "CallState",
    "CommitJournal",
    "Decided",
    "Decision",
    "Intent",
    "JournaledCall",
    "PlanChange",
    "SQLiteJournal",
]

if not TYPE_CHECKING:  # a type checker must see that the names are gone
    __getattr__ = renamed(__name__, {"Journal": "SQLiteJournal"})
