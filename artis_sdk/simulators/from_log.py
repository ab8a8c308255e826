"""Simulators that answer from a call log, by the prefix of their name in settings and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from artis_sdk.contracts import LogStore, Simulator
from artis_sdk.records import CallRecord
from artis_sdk.simulators.majority import MajoritySimulator
from artis_sdk.simulators.replay import ReplaySimulator
from artis_sdk.simulators.retrieval import RetrievalSimulator

FROM_LOG: Final[dict[str, Callable[[LogStore | Iterable[CallRecord]], Simulator]]] = {
    "majority": MajoritySimulator,
    "replay": ReplaySimulator,
    "retrieval": RetrievalSimulator,
}
