"""The loop: attempts in simulation, their judges, the recommendation, and the strategies."""
