"""Fidelity of simulators: predictions of held-out calls, scored and reported."""
