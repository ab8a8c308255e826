"""Failure-driven data generation (section 4.3.2), executed in a sandbox over the tools' real code."""

from typing import TYPE_CHECKING

from artis_sdk._former_names import renamed
from artis_sdk.trainers.generate.coverage import Coverage
from artis_sdk.trainers.generate.run import SOURCES, Generated, GenerationProgress, generate
from artis_sdk.trainers.generate.runner import GenerationBudget
from artis_sdk.trainers.generate.shards import Shard, generate_shards
from artis_sdk.trainers.generate.worlds import StartState

__all__ = [
    "SOURCES",
    "Coverage",
    "Generated",
    "GenerationBudget",
    "GenerationProgress",
    "Shard",
    "StartState",
    "generate",
    "generate_shards",
]

if not TYPE_CHECKING:  # a type checker is to see that the names are gone
    __getattr__ = renamed(
        __name__, {"Budget": "GenerationBudget", "Progress": "GenerationProgress", "World": "StartState"}
    )
