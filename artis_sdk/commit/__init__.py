"""The commit: a task carried out once for real, its journal, and what is done after a crash."""
