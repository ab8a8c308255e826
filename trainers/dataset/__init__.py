"""Training data for a simulator: rows of a call log, split by session and rebalanced."""
