"""Measurements: how faithful a simulator is, and what rehearsal is worth on whole tasks."""
