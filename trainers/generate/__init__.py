"""Failure-driven data generation (section 4.3.2), executed in a sandbox over the tools' real code."""

from artis_sdk.trainers.generate.coverage import Coverage
from artis_sdk.trainers.generate.run import SOURCES, Generated, GenerationProgress, generate
from artis_sdk.trainers.generate.runner import GenerationBudget
from artis_sdk.trainers.generate.worlds import StartState

__all__ = [
    "SOURCES",
    "Coverage",
    "Generated",
    "GenerationBudget",
    "GenerationProgress",
    "StartState",
    "generate",
]
