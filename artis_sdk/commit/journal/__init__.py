"""The commit journal: intent before a real call, outcome after it."""
