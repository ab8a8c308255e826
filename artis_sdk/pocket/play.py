"""Players of the pocket world: engines of the shipped model, and the benchmark's simulators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal, get_args

from artis_sdk.backends import resolve
from artis_sdk.contracts import Backend, Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.pocket import weights
from artis_sdk.pocket.chat import AT_ONCE, pocket_prompts
from artis_sdk.records import Capabilities, Completion, Request
from artis_sdk.simulators import LLMSimulator, SandboxSimulator
from artis_sdk.simulators.trained import weights_digest

EngineName = Literal["llama.cpp", "vllm"]
SimulatorName = Literal["perfect", "failure_driven", "normal", "untrained"]
AgentName = Literal["plain", "persistent"]
SIMULATORS: Final[tuple[SimulatorName, ...]] = get_args(SimulatorName)
CONTEXT: Final = 4096
"""Tokens of one request. The prompts take some hundreds; the SDK counts whole tool documents."""
_LONGEST: Final = 320
"""Maximum tokens of one answer, twice the need of any role: a small model sometimes never stops."""


def engine(name: EngineName = "llama.cpp", *, threads: int | None = None, sequences: int = 8) -> Backend:
    """The shipped pocket model with its adapters; nothing is loaded yet.

    Args:
        name: name of the engine.
        threads: CPU threads of llama.cpp; by default its backend's own choice.
        sequences: sequences that llama.cpp keeps in memory, 19 MB each.

    Raises:
        ConfigurationError: the weights are missing, or the engine is unknown.
        MissingExtraError: vLLM is not installed.
    """
    if name == "llama.cpp":
        return resolve(
            f"llama_cpp:{weights.gguf()}",
            adapters={adapter: weights.gguf_adapter(adapter) for adapter in weights.ALL},
            n_ctx=CONTEXT,
            max_tokens=_LONGEST,
            max_concurrency=sequences,
            n_threads=threads,
        )
    if name == "vllm":
        return resolve(
            f"vllm:{weights.folder()}",
            adapters={adapter: weights.adapter(adapter) for adapter in weights.ALL},
            engine_args={
                "max_model_len": CONTEXT,
                "override_generation_config": {"max_new_tokens": _LONGEST},
            },
        )
    raise ConfigurationError(f"unknown engine {name!r}; choose llama.cpp or vllm")


class PersistentAgent:
    """The pocket model as an agent, judge and advisor that goes on after a refusal: an adapter for every
    request.

    Args:
        backend: the backend of `engine()`.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name = f"{backend.name}+{weights.PERSISTENT}"

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """See `Backend.complete`."""
        return await self._backend.complete(replace(request, adapter=weights.PERSISTENT), on_token=on_token)

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        await self._backend.aclose()


def agent(name: AgentName, backend: Backend) -> Backend:
    """The agent: `plain` reports a refusal, `persistent` tries another plan.

    Args:
        name: its name.
        backend: the backend of `engine()`.
    """
    return backend if name == "plain" else PersistentAgent(backend)


def simulator(name: SimulatorName, backend: Backend) -> Simulator:
    """One of the benchmark's simulators.

    Args:
        name: `perfect` runs the bank's own code on a copy; `untrained` is the base model without adapter.
        backend: the backend of `engine()`.
    """
    if name == "perfect":
        return SandboxSimulator()
    if name == "untrained":
        return LLMSimulator(backend, prompts=pocket_prompts(), form=AT_ONCE)
    trained = LLMSimulator.trained(weights.form(name), backend, adapter=name)
    trained.adapter = weights_digest(weights.gguf_adapter(name))
    return trained
