"""Simulators: stand-ins for the real tools while an agent rehearses."""

from collections.abc import Callable, Iterable
from typing import Final

from artis_sdk.contracts import LogStore, Simulator
from artis_sdk.records import CallRecord
from artis_sdk.simulators import forks
from artis_sdk.simulators.checked import Checked
from artis_sdk.simulators.fault_report import FaultFollowed, fault_report
from artis_sdk.simulators.faults import Fault
from artis_sdk.simulators.faulty import Faulty
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.ladder import Ladder
from artis_sdk.simulators.llm import LLMSimulator
from artis_sdk.simulators.majority import MajoritySimulator
from artis_sdk.simulators.replay import ReplaySimulator
from artis_sdk.simulators.retrieval import RetrievalSimulator
from artis_sdk.simulators.sandbox import SandboxSimulator
from artis_sdk.simulators.trust import Trust, TrustGate

FROM_LOG: Final[dict[str, Callable[[LogStore | Iterable[CallRecord]], Simulator]]] = {
    "majority": MajoritySimulator,
    "replay": ReplaySimulator,
    "retrieval": RetrievalSimulator,
}
"""Simulators that answer from a call log, by the prefix of their name in settings and on the command line."""

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
