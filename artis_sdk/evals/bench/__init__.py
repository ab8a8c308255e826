"""Benchmarks: the value of rehearsal on whole tasks."""

from artis_sdk.evals.bench.bfcl import BFCLWorld
from artis_sdk.evals.bench.cells import BenchCell, cells
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.rows import TaskRow
from artis_sdk.evals.bench.runner import PlayedTask, measure, play
from artis_sdk.evals.bench.world import BenchmarkTask, BenchmarkWorld, TaskInstance

__all__ = [
    "BFCLWorld",
    "BenchCell",
    "BenchmarkTask",
    "BenchmarkWorld",
    "PlayedTask",
    "PocketWorld",
    "TaskInstance",
    "TaskRow",
    "cells",
    "measure",
    "play",
]
