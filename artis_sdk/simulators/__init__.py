"""Simulators: stand-ins for the real tools while an agent rehearses."""

from artis_sdk.simulators import forks
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.ladder import Ladder
from artis_sdk.simulators.llm import LLMSimulator
from artis_sdk.simulators.majority import MajoritySimulator
from artis_sdk.simulators.replay import ReplaySimulator
from artis_sdk.simulators.retrieval import RetrievalSimulator
from artis_sdk.simulators.sandbox import SandboxSimulator
from artis_sdk.simulators.trust import Trust, TrustGate

__all__ = [
    "LLMSimulator",
    "Ladder",
    "MajoritySimulator",
    "PromptForm",
    "ReplaySimulator",
    "RetrievalSimulator",
    "SandboxSimulator",
    "Trust",
    "TrustGate",
    "forks",
]
