"""Frozen values that everything else is said in. No I/O, no engine SDK."""

from artis_sdk.records.calls import (
    History,
    Outcome,
    Provenance,
    Risk,
    State,
    Step,
    ToolCall,
    ToolSpec,
    new_id,
)
from artis_sdk.records.chat import (
    Capabilities,
    Completion,
    FinishReason,
    Message,
    Request,
    Role,
    TokenLogprob,
    Usage,
)
from artis_sdk.records.log import CallRecord
from artis_sdk.records.runs import (
    Attempt,
    CommittedCall,
    Ending,
    Evaluation,
    Plan,
    Recommendation,
    Result,
    Task,
)

__all__ = [
    "Attempt",
    "CallRecord",
    "Capabilities",
    "CommittedCall",
    "Completion",
    "Ending",
    "Evaluation",
    "FinishReason",
    "History",
    "Message",
    "Outcome",
    "Plan",
    "Provenance",
    "Recommendation",
    "Request",
    "Result",
    "Risk",
    "Role",
    "State",
    "Step",
    "Task",
    "TokenLogprob",
    "ToolCall",
    "ToolSpec",
    "Usage",
    "new_id",
]
