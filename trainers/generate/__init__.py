"""Failure-driven data generation (section 4.3.2), executed in a sandbox over the tools' real code."""

from artis_sdk.trainers.generate.coverage import Coverage
from artis_sdk.trainers.generate.run import SOURCES, Generated, Progress, generate
from artis_sdk.trainers.generate.runner import Budget
from artis_sdk.trainers.generate.worlds import World

__all__ = ["SOURCES", "Budget", "Coverage", "Generated", "Progress", "World", "generate"]
