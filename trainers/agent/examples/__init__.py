"""Tasks for training an agent: the examples that ship, and a caller's own."""
