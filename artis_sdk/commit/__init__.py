"""The commit: a plan approved and carried out once for real, its journal, and recovery after a crash."""

from artis_sdk.commit.approval import approved
from artis_sdk.commit.approver import (
    Answer,
    Approve,
    Approver,
    CallRequest,
    Edit,
    EditPlan,
    OutcomeRequest,
    PlanRequest,
    Reject,
    Request,
    Settle,
    UnknownRequest,
)
from artis_sdk.commit.recover import NotExecuted, Recovered, settle

__all__ = [
    "Answer",
    "Approve",
    "Approver",
    "CallRequest",
    "Edit",
    "EditPlan",
    "NotExecuted",
    "OutcomeRequest",
    "PlanRequest",
    "Recovered",
    "Reject",
    "Request",
    "Settle",
    "UnknownRequest",
    "approved",
    "settle",
]
