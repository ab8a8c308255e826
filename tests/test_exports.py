"""The public names, and what importing them costs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

import artis_sdk
from artis_sdk import errors
from artis_sdk._former_names import MODULES

PUBLIC = {
    "guarded_tool",
    "Risk",
    "Sampling",
    "Tool",
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
    # what hooks are given and return
    "Agent",
    "Approve",
    "Approver",
    "Attempt",
    "CallRequest",
    "Edit",
    "EditPlan",
    "Evaluation",
    "Evaluator",
    "Event",
    "History",
    "LogStore",
    "NotExecuted",
    "OutcomeRequest",
    "PlanRequest",
    "Price",
    "Provenance",
    "Recommendation",
    "Recovered",
    "Reject",
    "Settle",
    "Simulator",
    "State",
    "Step",
    "Summarizer",
    "Task",
    "TextPiece",
    "ToolCall",
    "Traces",
    "UnknownRequest",
}
ERRORS = {
    kind.__name__
    for kind in vars(errors).values()
    if getattr(kind, "__module__", "") == errors.__name__ and isinstance(kind, type)
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
    "opentelemetry",
]


def test_public_names_are_exactly_these() -> None:
    assert set(artis_sdk.__all__) == PUBLIC | ERRORS
    assert list(artis_sdk.__all__) == sorted(artis_sdk._WHERE)


def test_every_public_name_loads() -> None:
    for name in sorted(PUBLIC | ERRORS):
        assert getattr(artis_sdk, name) is not None, name


def test_the_version_is_the_one_of_the_package() -> None:
    assert artis_sdk.__version__ == version("artis-sdk")


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


NEEDS_TORCH = ("artis_sdk.pocket.", "artis_sdk.trainers.sft", "artis_sdk.trainers.gguf")


def test_a_former_name_still_imports_and_says_the_new_one() -> None:
    names = [name for name in sorted(MODULES) if not name.startswith(NEEDS_TORCH)]
    code = """
import importlib, sys, warnings
from artis_sdk._former_names import MODULES
for name in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        former = importlib.import_module(name)
    said = [w.category for w in caught if MODULES[name] in str(w.message)]
    assert said == [DeprecationWarning], (name, caught)
    new = importlib.import_module(MODULES[name])
    assert [n for n in vars(new) if not n.startswith("_") and not hasattr(former, n)] == [], name
"""
    assert len(names) > 15
    subprocess.run([sys.executable, "-c", code, *names], check=True, timeout=120)


def test_every_former_name_has_a_new_one() -> None:
    assert [name for name in MODULES.values() if importlib.util.find_spec(name) is None] == []


def test_former_names_of_classes() -> None:
    from artis_sdk.backends import conformance
    from artis_sdk.commit import journal
    from artis_sdk.trainers import generate

    modules: list[Any] = [journal, generate, conformance]
    with pytest.warns(DeprecationWarning, match="is now"):
        found = [modules[0].Journal, modules[1].World, modules[1].Budget, modules[2].Result]
    assert found == [
        journal.SQLiteJournal, generate.StartState, generate.GenerationBudget, conformance.CheckResult,
    ]  # fmt: skip


def test_a_name_that_never_was_is_no_module() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("artis_sdk.loop.nothing")
