"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import artis_sdk

PUBLIC = {
    "guarded_tool",
    "Risk",
    "Toolset",
    "Trust",
    "Session",
    "Plan",
    "Result",
    "Outcome",
    "Limits",
    "capture",
    "Sequential",
    "Parallel",
    "Hybrid",
    "Direct",
    "WeightedBestOfN",
    "SequentialRevision",
    "LLMSimulator",
    "SandboxSimulator",
    "ReplaySimulator",
    "RetrievalSimulator",
    "Ladder",
    "Backend",
    "resolve",
}
HEAVY = [
    "openai",
    "anthropic",
    "vllm",
    "llama_cpp",
    "torch",
    "transformers",
    "trl",
    "peft",
    "aiohttp",
    "jinja2",
    "typer",
    "rich",
    "greenlet",
]


def test_public_names_are_exactly_these() -> None:
    assert set(artis_sdk.__all__) == PUBLIC


def test_every_public_name_loads() -> None:
    for name in sorted(PUBLIC):
        assert getattr(artis_sdk, name) is not None, name


def in_fresh_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_importing_the_package_loads_no_engine() -> None:
    loaded = in_fresh_python("import artis_sdk, sys; print(' '.join(sys.modules))").split()
    assert not set(loaded) & set(HEAVY)


def test_the_names_load_no_engine() -> None:
    code = "import artis_sdk, sys\nfor n in artis_sdk.__all__: getattr(artis_sdk, n)\n"
    code += "print(' '.join(sys.modules))"
    loaded = set(in_fresh_python(code).split())
    engines = {"openai", "anthropic", "vllm", "llama_cpp", "torch", "transformers", "trl", "peft"}
    assert not loaded & engines


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(artis_sdk, "guarded_tools")


def test_the_agents_trainer_loads_no_engine() -> None:
    code = "import artis_sdk.trainers.agent as agent, sys; print(' '.join(sys.modules))\n"
    code += "assert 'AgentBackend' in agent.__all__ and not hasattr(agent, 'AgentBackends')"
    assert not set(in_fresh_python(code).split()) & {"torch", "transformers", "trl", "vllm"}
