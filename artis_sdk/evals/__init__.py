"""Measurements: the fidelity of simulators, and the value of rehearsal on whole tasks."""
