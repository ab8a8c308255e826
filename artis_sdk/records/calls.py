"""Tool calls, their outcomes, and the provenance of outcomes."""

from __future__ import annotations

import re
from enum import StrEnum
from os import urandom
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_json

from artis_sdk.records.descriptions import describe
from artis_sdk.records.fields import Json, JsonObject, Text

FROZEN = ConfigDict(frozen=True, extra="forbid", json_schema_extra=describe)


def new_id() -> str:
    """A random identifier, 32 hexadecimal digits."""
    return urandom(16).hex()


class Risk(StrEnum):
    """Effect of a tool on the world. An undeclared tool counts as irreversible."""

    READ_ONLY = "read_only"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Provenance(StrEnum):
    """Source of an outcome. Only `REAL` and, marked as such, `SANDBOXED` outcomes may train."""

    REAL = "real"
    SIMULATED = "simulated"
    SANDBOXED = "sandboxed"
    REPLAYED = "replayed"
    CHECKED = "checked"  # computed from the tool's source, which did not run
    FORCED = "forced"  # made by the SDK itself: malformed call, unknown tool, wrong arguments, injected fault


FaultKind = Literal["refused", "rate_limited", "timeout", "lost", "slow", "partial"]
"""Injected faults; see `artis_sdk.simulators.faults.Fault`."""

CARRIED_OUT: Final = frozenset({"timeout", "lost", "slow", "partial"})
"""Kinds of injected faults that strike after the call was made."""


class ToolSpec(BaseModel):
    """A tool as a model sees it."""

    model_config = FROZEN

    name: Text
    """The tool's name."""
    description: Text = ""
    """What the tool does, as models read it."""
    parameters: JsonObject
    """JSON schema of the arguments, an object schema."""
    risk: Risk = Risk.IRREVERSIBLE
    """What the tool may do to the world."""
    hidden: frozenset[str] = frozenset()
    """Names of the parameters that no model sees or sets, such as the idempotency key."""

    def document(self) -> dict[str, Any]:
        """The tool as the paper's prompts list it: name, description, parameters."""
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


class ToolCall(BaseModel):
    """One request to run a tool: the paper's action a."""

    model_config = FROZEN

    id: Text = Field(default_factory=new_id)
    """Its id in the conversation."""
    tool: Text
    """The tool's name."""
    arguments: JsonObject = Field(default_factory=dict)
    """Arguments by parameter name, as JSON."""
    raw: Text | None = None
    """The model's exact text for this call, if a model wrote it."""
    malformed: Text | None = None
    """Reason why the text could not be parsed; such a call never runs, in any world."""


class Outcome(BaseModel):
    """The outcome of a call: the paper's o."""

    model_config = FROZEN

    ok: bool
    """Whether the call succeeded."""
    value: Json = None
    """The returned value, also of a failure that was returned rather than raised."""
    failure_type: Text | None = None
    """Type of the failure, such as an exception class; None for a success."""
    message: Text | None = None
    """Message of the failure."""
    raised: bool = False
    """Whether the failure is an exception in the real tool, rather than a returned value."""
    provenance: Provenance
    """Where it comes from: reality, a sandbox, a model, a log."""
    declared: bool = False
    """Whether a function in the tool's `failures=` said what the value is, a success too."""
    raw: Text | None = None
    """The simulator model's exact text."""
    duration: float | None = None
    """Duration of the call, in seconds."""
    fault: FaultKind | None = None
    """The injected fault that made this outcome, which then has the provenance `FORCED`."""

    @classmethod
    def success(cls, value: JsonValue, provenance: Provenance, **more: Any) -> Outcome:
        """A success with this value; `more` are further fields."""
        return cls(ok=True, value=value, provenance=provenance, **more)

    @classmethod
    def failure(cls, failure_type: str, message: str, provenance: Provenance, **more: Any) -> Outcome:
        """A failure of this type; `more` are further fields."""
        return cls(ok=False, failure_type=failure_type, message=message, provenance=provenance, **more)

    @property
    def type(self) -> str:
        """The paper's type(o): `success`, or the failure type."""
        return "success" if self.ok else (self.failure_type or "failure")

    @property
    def reached_world(self) -> bool:
        """Whether the call was carried out in some world, whatever its outcome says."""
        return self.provenance is not Provenance.FORCED or self.fault in CARRIED_OUT

    def content(self) -> JsonValue:
        """The caller's view of the outcome, as JSON. The same in every world.

        A raised failure is `{"error": its message}`, with its type before a message that does not explain
        the error alone: `KeyError: 'Ann'`.
        """
        if self.ok or (not self.raised and self.value is not None):
            return self.value
        message = self.message or self.failure_type
        if not self.message or self.failure_type in _UNTYPED or _says_why(self.message):
            return {"error": message}
        return {"error": f"{self.failure_type}: {message}"}

    def text(self) -> str:
        """`content()` as the JSON text that goes into a prompt."""
        return to_json(self.content()).decode()


_UNTYPED = (None, "", "error", "failure")


def _says_why(message: str) -> bool:
    """Whether a message has two words and is not only a quotation, like that of a `KeyError`."""
    text = message[:500].strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return False
    return sum(bool(re.search(r"[^\W\d_]{2}", word)) for word in text.split()) > 1


class Step(BaseModel):
    """A call and its outcome: one (a_i, o_i) of the paper's history."""

    model_config = FROZEN

    call: ToolCall
    """The call."""
    outcome: Outcome
    """Its outcome."""


History = tuple[Step, ...]
State = Json
"""A JSON snapshot of the environment, taken before the first call of a task."""
