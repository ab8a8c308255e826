"""Training: failure modes, generated calls, data sets, simulators, and the agent itself."""
