"""The digest of a plan: what an approval is an approval of."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from artis_sdk.records.calls import ToolSpec
from artis_sdk.records.foreseen import BoundTool
from artis_sdk.records.remembered import Remembered
from artis_sdk.records.runs import Plan
from artis_sdk.records.same_call import canonical

_CALL = {"id": True, "raw": True}
_OUTCOME = {"raw": True, "duration": True}
_STEP = {"call": _CALL, "outcome": _OUTCOME}
_FORESEEN = {"call": _CALL, "predicted": _OUTCOME, "edited_from": _CALL}
_UNBOUND: dict[str, Any] = {
    "digest": True,
    "approvals": True,
    "withheld": True,
    "usage": True,
    # The state is the simulator's; `tools` has the hashes of the specs.
    "task": {
        "state": True,
        "history": True,
        "tools": True,
        "conversation": {"__all__": {"raw": True, "tool_calls": {"__all__": _CALL}}},
    },
    "attempts": {
        "__all__": {
            "messages": True,
            "steps": {"__all__": _STEP},
            "nested": {"__all__": _STEP},
            "evaluation": {"raw": True},
        }
    },
    "recommendation": {"raw": True},
    "foreseen": {"__all__": _FORESEEN},
    "edits": {"__all__": {"gone": {"__all__": _FORESEEN}, "removed": {"__all__": _CALL}}},
}


def plan_digest(plan: Plan) -> str:
    """SHA-256, hexadecimal, over all that a plan binds, as JSON that does not depend on the order of keys.

    Bound are id, query, conversation, guidance, recommendation, attempts with what they changed, foreseen
    calls with their predictions and references, edits, tools, journal, notes and the plan's end. Not bound
    are the state before, usage, models' raw texts and messages, and approvals. A digest catches accidents and
    careless edits; somebody who edits a plan on purpose can compute it again, which the signature of an
    approval catches.

    A field that a later version adds does not enter while it has its default, so that digests stay.
    """
    bound = plan.model_dump(mode="json", exclude={**_UNBOUND, "tools": True}, exclude_defaults=True)
    texts = {name: canonical(value) for name, value in bound.items()}
    if plan.tools:
        texts["tools"] = f"[{','.join(map(_tool_text, plan.tools))}]"
    members = ",".join([f'"{name}":{texts[name]}' for name in sorted(texts)])
    return hashlib.sha256(f"{{{members}}}".encode()).hexdigest()


@partial(Remembered, most=4096)  # plans of a session bind the same tools, by the hundred
def _tool_text(tool: BoundTool) -> str:
    """A bound tool as canonical JSON."""
    return canonical(tool.model_dump(mode="json", exclude_defaults=True))


def spec_hash(spec: ToolSpec) -> str:
    """SHA-256, hexadecimal, of a spec: name, description, schema, risk and hidden parameters."""
    dumped = spec.model_dump(mode="json")
    dumped["hidden"] = sorted(dumped["hidden"])
    return hashlib.sha256(canonical(dumped).encode()).hexdigest()
