"""Worlds of benchmarks by name, and what an agent or a simulator of any model needs of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from artis_sdk.contracts import Backend, Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.acebench import LANGUAGES, ACEBenchWorld
from artis_sdk.evals.bench.bfcl import CATEGORIES, BFCLWorld, restored
from artis_sdk.evals.bench.bfcl_first import FIRST_TURN, BFCLFirstTurnWorld
from artis_sdk.evals.bench.bfcl_single import LIVE, BFCLSingleTurnWorld
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.tau2 import DOMAINS, Tau2World
from artis_sdk.evals.bench.world import BenchmarkWorld
from artis_sdk.settings import load_object
from artis_sdk.simulators import Checked, Ladder, LLMSimulator, PromptForm, SandboxSimulator

WORLDS: Final = (
    "pocket",
    *(f"bfcl-{category}" for category in (*CATEGORIES, FIRST_TURN, *LIVE)),
    *(f"acebench-{language}" for language in LANGUAGES),
    *(f"tau2-{domain}" for domain in DOMAINS),
)
"""Names of the worlds that ship. `pocket` is the bank with the SDK's own prompts, for any model."""
SIMULATORS: Final = ("sandbox", "checked", "llm", "llm-modes", "checked,llm-modes")
"""Names of the simulators of any world. `llm` knows the tools' documents alone, `llm-modes` also when each
fails and what it returns; `checked` computes from the tools' source."""


def named_world(name: str, folder: Path | None = None) -> BenchmarkWorld[Any]:
    """A world that ships, one of a checkout, or one of yours.

    Args:
        name: one of `WORLDS`, or `package.module:object`, a `BenchmarkWorld` or what makes one.
        folder: checkout of ACEBench or tau2-bench, for their worlds.

    Raises:
        ConfigurationError: there is no such world, or its package or checkout is not there.
    """
    if name in WORLDS:
        kind, _, part = name.partition("-")
        match kind:
            case "acebench":
                return ACEBenchWorld(part, folder)
            case "tau2":
                return Tau2World(part, folder)
            case "bfcl" if part == FIRST_TURN:
                return BFCLFirstTurnWorld()
            case "bfcl":
                return BFCLSingleTurnWorld(part) if part in LIVE else BFCLWorld(part)
            case _:
                return PocketWorld(None)
    if ":" not in name:
        raise ConfigurationError(
            f"unknown world {name!r}; choose from {', '.join(WORLDS)}, or name yours: package.module:object"
        )
    found = load_object(name, "world")
    world = found() if isinstance(found, type) else found
    if not callable(getattr(world, "tasks", None)):
        raise ConfigurationError(
            f"{name} is no world: it needs the members of artis_sdk.evals.bench.world.BenchmarkWorld"
        )
    made: BenchmarkWorld[Any] = world
    return made


def simulators_of(world: str, model: Backend) -> Callable[[str], Simulator]:
    """A function that makes the simulators of a world by their names.

    Args:
        world: name of the world.
        model: model of the simulators that ask one.
    """
    restore = restored if world.startswith("bfcl") else None

    def made(name: str) -> Simulator:
        match name:
            case "sandbox":
                return SandboxSimulator()
            case "checked":
                return Checked(restore=restore)
            case "llm":
                return LLMSimulator(model)
            case "llm-modes":
                return LLMSimulator(model, form=PromptForm(modes=True))
            case "checked,llm-modes":
                return Ladder([made("checked"), made("llm-modes")])
            case _:
                raise ConfigurationError(f"unknown simulator {name!r}; choose from {', '.join(SIMULATORS)}")

    return made
