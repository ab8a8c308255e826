"""The commit journal: intent before a real call, outcome after it."""

from artis_sdk.commit.journal.call import REFUSED, CallState, Intent, JournaledCall
from artis_sdk.commit.journal.protocol import CommitJournal
from artis_sdk.commit.journal.sqlite import SQLiteJournal

__all__ = ["REFUSED", "CallState", "CommitJournal", "Intent", "JournaledCall", "SQLiteJournal"]
