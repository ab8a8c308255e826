"""Tasks of the pocket world played by the pocket model, through a Session as any user's."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from artis_sdk.backends import resolve
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.contracts import Backend, Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.budget import Emit
from artis_sdk.loop.strategies import Strategy
from artis_sdk.pocket import weights
from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.chat import AT_ONCE, pocket_prompts
from artis_sdk.pocket.desk import pocket_tools
from artis_sdk.pocket.oracle import Oracle, fulfilled, state_of
from artis_sdk.pocket.task import PocketTask
from artis_sdk.records import Result, Role, Usage
from artis_sdk.session import Session
from artis_sdk.simulators import LLMSimulator, SandboxSimulator
from artis_sdk.tools import Toolset

EngineName = Literal["llama.cpp", "vllm"]
SimulatorName = Literal["perfect", "failure_driven", "normal", "untrained"]
CONTEXT: Final = 4096
"""Tokens of one request. The prompts take some hundreds; the SDK reckons with whole tool documents."""
_STEPS: Final = 8
_LONGEST: Final = 320
"""Tokens of one answer: twice what any role needs. A small model sometimes goes on without end."""


def engine(name: EngineName = "llama.cpp", *, threads: int | None = None, sequences: int = 8) -> Backend:
    """The shipped pocket model with its two adapters; nothing is loaded yet.

    Args:
        name: what runs it.
        threads: of llama.cpp; by default its backend's own choice.
        sequences: that llama.cpp keeps in memory, 19 MB each.

    Raises:
        ConfigurationError: the weights are not there, or there is no such engine.
        MissingExtraError: vLLM is not installed.
    """
    if name == "llama.cpp":
        return resolve(
            f"llama_cpp:{weights.gguf()}",
            adapters={adapter: weights.gguf_adapter(adapter) for adapter in weights.ADAPTERS},
            n_ctx=CONTEXT,
            max_tokens=_LONGEST,
            max_concurrency=sequences,
            n_threads=threads,
        )
    if name == "vllm":
        return resolve(
            f"vllm:{weights.folder()}",
            adapters={adapter: weights.adapter(adapter) for adapter in weights.ADAPTERS},
            engine_args={
                "max_model_len": CONTEXT,
                "override_generation_config": {"max_new_tokens": _LONGEST},
            },
        )
    raise ConfigurationError(f"there is no engine {name!r}: llama.cpp or vllm")


def simulator(name: SimulatorName, backend: Backend) -> Simulator:
    """One of the benchmark's simulators.

    Args:
        name: `perfect` runs the bank's own code on a copy; `untrained` is the base model as it is.
        backend: `engine()`.
    """
    if name == "perfect":
        return SandboxSimulator()
    if name == "untrained":
        return LLMSimulator(backend, prompts=pocket_prompts(), form=AT_ONCE)
    return LLMSimulator.trained(weights.form(name), backend, adapter=name)


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that was played to its end."""

    task: PocketTask
    bank: Bank
    """As it stands now."""
    fulfilled: bool
    results: tuple[Result, ...]
    """Of each turn."""

    @property
    def usage(self) -> Mapping[Role, Usage]:
        total: dict[Role, Usage] = {}
        for result in self.results:
            for role, used in result.usage.items():
                total[role] = total.get(role, Usage()) + used
        return total


async def play(
    task: PocketTask,
    backend: Backend,
    simulated: Simulator | None,
    strategy: Strategy,
    *,
    journal: CommitJournal | str | Path,
    seed: int = 0,
    on_event: Emit | None = None,
    **options: Any,
) -> Finished:
    """Play a task turn by turn on a bank of its own; nothing but the final state is checked.

    Args:
        task: which.
        backend: agent, evaluator and summarizer.
        simulated: what rehearses; None for strategies that do not simulate.
        strategy: how.
        journal: of the commits.
        seed: of the sampling.
        on_event: as of `Session`.
        **options: more of `Session`.
    """
    bank = copy.deepcopy(task.bank)
    offered: Sequence[Any] = [tool for tool in pocket_tools(bank) if tool.name in task.offered]
    session = Session(
        agent=backend,
        simulator=simulated,
        tools=Toolset(*offered),
        strategy=strategy,
        state=lambda: state_of(bank),
        journal=journal,
        prompts=pocket_prompts(),
        max_steps=_STEPS,
        seed=seed,
        on_event=on_event,
        **options,
    )
    async with session:
        results = tuple([await session.run(turn.query) for turn in task.turns])
    return Finished(task, bank, fulfilled(task, bank, Oracle()), results)
