"""The recipe of the pocket model: its lessons, its base, its simulators' adapters."""
