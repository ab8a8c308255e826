"""The commit: a task carried out once for real, its journal, and recovery after a crash."""

from artis_sdk.commit.recover import NotExecuted, Recovered, settle

__all__ = ["NotExecuted", "Recovered", "settle"]
