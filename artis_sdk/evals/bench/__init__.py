"""Benchmarks: what rehearsal is worth on whole tasks."""
