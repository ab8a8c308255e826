"""Rehearse an agent's tool calls in simulation, judge them, then carry them out once for real.

The names below are loaded when they are first used, so that importing the package stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from artis_sdk._former_names import install as _find_former_names

if TYPE_CHECKING:
    from artis_sdk.backends import resolve as resolve
    from artis_sdk.contracts import Backend as Backend
    from artis_sdk.logs.capture import capture as capture
    from artis_sdk.loop.limits import Limits as Limits
    from artis_sdk.loop.strategies import Direct as Direct
    from artis_sdk.loop.strategies import Hybrid as Hybrid
    from artis_sdk.loop.strategies import Parallel as Parallel
    from artis_sdk.loop.strategies import Sequential as Sequential
    from artis_sdk.loop.strategies import SequentialRevision as SequentialRevision
    from artis_sdk.loop.strategies import WeightedBestOfN as WeightedBestOfN
    from artis_sdk.records import Outcome as Outcome
    from artis_sdk.records import Plan as Plan
    from artis_sdk.records import Result as Result
    from artis_sdk.records import Risk as Risk
    from artis_sdk.session import Session as Session
    from artis_sdk.simulators import Ladder as Ladder
    from artis_sdk.simulators import LLMSimulator as LLMSimulator
    from artis_sdk.simulators import ReplaySimulator as ReplaySimulator
    from artis_sdk.simulators import RetrievalSimulator as RetrievalSimulator
    from artis_sdk.simulators import SandboxSimulator as SandboxSimulator
    from artis_sdk.simulators.trust import Trust as Trust
    from artis_sdk.tools import Toolset as Toolset
    from artis_sdk.tools import guarded_tool as guarded_tool

_WHERE = {
    "Backend": "contracts",
    "Direct": "loop.strategies",
    "Hybrid": "loop.strategies",
    "LLMSimulator": "simulators",
    "Ladder": "simulators",
    "Limits": "loop.limits",
    "Outcome": "records",
    "Parallel": "loop.strategies",
    "Plan": "records",
    "ReplaySimulator": "simulators",
    "RetrievalSimulator": "simulators",
    "Result": "records",
    "Risk": "records",
    "SandboxSimulator": "simulators",
    "Sequential": "loop.strategies",
    "SequentialRevision": "loop.strategies",
    "Session": "session",
    "Toolset": "tools",
    "Trust": "simulators.trust",
    "WeightedBestOfN": "loop.strategies",
    "capture": "logs.capture",
    "guarded_tool": "tools",
    "resolve": "backends",
}

__all__ = [
    "Backend",
    "Direct",
    "Hybrid",
    "LLMSimulator",
    "Ladder",
    "Limits",
    "Outcome",
    "Parallel",
    "Plan",
    "ReplaySimulator",
    "Result",
    "RetrievalSimulator",
    "Risk",
    "SandboxSimulator",
    "Sequential",
    "SequentialRevision",
    "Session",
    "Toolset",
    "Trust",
    "WeightedBestOfN",
    "capture",
    "guarded_tool",
    "resolve",
]


_find_former_names()


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
