"""Fidelity of simulators: predictions of held-out calls, scored and reported."""

from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.report import Report
from artis_sdk.evals.fidelity.trust import TrustRules, judge

__all__ = ["Fidelity", "Report", "TrustRules", "judge", "measure"]
