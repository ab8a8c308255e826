"""Simulators: stand-ins for the real tools while an agent rehearses.

The names below are loaded when they are first used: a commit needs none of them, and its seal is beside them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artis_sdk.simulators import forks
    from artis_sdk.simulators.checked import Checked
    from artis_sdk.simulators.faults import Fault
    from artis_sdk.simulators.faulty import Faulty
    from artis_sdk.simulators.followed_faults import FaultFollowed, fault_report
    from artis_sdk.simulators.form import PromptForm
    from artis_sdk.simulators.from_log import FROM_LOG
    from artis_sdk.simulators.ladder import Ladder
    from artis_sdk.simulators.llm import LLMSimulator
    from artis_sdk.simulators.majority import MajoritySimulator
    from artis_sdk.simulators.replay import ReplaySimulator
    from artis_sdk.simulators.retrieval import RetrievalSimulator
    from artis_sdk.simulators.sandbox import SandboxSimulator
    from artis_sdk.simulators.trust import Trust, TrustGate

_WHERE = {
    "Checked": "checked",
    "FROM_LOG": "from_log",
    "Fault": "faults",
    "FaultFollowed": "followed_faults",
    "Faulty": "faulty",
    "LLMSimulator": "llm",
    "Ladder": "ladder",
    "MajoritySimulator": "majority",
    "PromptForm": "form",
    "ReplaySimulator": "replay",
    "RetrievalSimulator": "retrieval",
    "SandboxSimulator": "sandbox",
    "Trust": "trust",
    "TrustGate": "trust",
    "fault_report": "followed_faults",
}

__all__ = [
    "FROM_LOG",
    "Checked",
    "Fault",
    "FaultFollowed",
    "Faulty",
    "LLMSimulator",
    "Ladder",
    "MajoritySimulator",
    "PromptForm",
    "ReplaySimulator",
    "RetrievalSimulator",
    "SandboxSimulator",
    "Trust",
    "TrustGate",
    "fault_report",
    "forks",
]


def __getattr__(name: str) -> Any:
    if name == "forks":
        return import_module(f"{__name__}.forks")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
