"""The ways in which a tool can fail, read from its source with `ast`; nothing of the application runs."""
