"""The ways in which tools can fail: read from their source, and seen in a log."""
