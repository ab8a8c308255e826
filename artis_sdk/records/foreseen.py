"""What a plan binds: the calls that it foresees, the tools that it was made with, and who approved it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from artis_sdk.records.brief import count, step_line
from artis_sdk.records.calls import FROZEN, Outcome, Risk, ToolCall
from artis_sdk.records.places import JsonPath

CommitMode = Literal["guided", "bound", "replay"]
"""How a plan is committed. `guided`: the agent acts, with the recommendation (equation 4). `bound`: the agent
acts, and a call that may change something and is not foreseen needs a decision. `replay`: the foreseen calls,
in their order, without a model."""

CallKind = Literal["foreseen", "changed", "unforeseen"]
"""A real call beside the plan. `foreseen`: same tool and arguments as a foreseen call that was not made yet.
`changed`: same tool, other arguments. `unforeseen`: anything else."""


Treatment = Literal["ask", "stop", "allow"]
"""What is done about a call or an outcome that a plan does not foresee: `ask` the approver, and stop if there
is no answer; `stop` the commit; `allow` it."""


class Reference(BaseModel):
    """An argument that takes its value from an earlier foreseen call's real outcome.

    The rehearsal's value there is an identifier that the simulator made up, so the real call gives another.
    """

    model_config = FROZEN

    argument: JsonPath
    """Place in the arguments of the call."""
    call: int
    """Index of the earlier call in `Plan.foreseen`."""
    outcome: JsonPath
    """Place in the value of that call's outcome."""
    part: bool = False
    """Whether the identifier stands within a longer text there."""


class ForeseenCall(BaseModel):
    """A call that a plan stands for, with its predicted outcome."""

    model_config = FROZEN

    call: ToolCall
    """Tool and arguments."""
    risk: Risk
    """The tool's declared risk."""
    predicted: Outcome | None
    """Predicted outcome, with its provenance. Of an edited call that of the call before: only success or
    failure is expected of it. None for a call that an approver put where none was foreseen."""
    agreed: int
    """Number of attempts that made this call, the followed one included; of an edited call 0."""
    attempts: int
    """Number of attempts with a call or an answer."""
    nested: bool = False
    """Whether the body of another tool made the call in the sandbox, not the agent."""
    made_up: tuple[JsonPath, ...] = ()
    """Places in the predicted value of identifiers that the simulator made up; the real ones differ."""
    references: tuple[Reference, ...] = ()
    """Arguments that the real outcomes of earlier calls fill in."""
    edited_from: ToolCall | None = None
    """The call in whose place a person put this one; None for a call of the attempt's."""

    @property
    def prediction(self) -> Outcome | None:
        """Predicted outcome of this very call; None if it was edited."""
        return self.predicted if self.edited_from is None else None

    def __repr__(self) -> str:
        return f"<ForeseenCall {self}>"

    def __str__(self) -> str:
        said = f"{self.agreed} of {count(self.attempts, 'attempt')}" if self.agreed else "edited"
        return f"{step_line(self.call, self.prediction)}  ({self.risk}, {said})"


class PlanEdit(BaseModel):
    """A person's or a program's edit of the calls that a plan stands for."""

    model_config = FROZEN

    by: str
    """Who edited it."""
    at: float
    """Seconds since the epoch."""
    gone: tuple[ForeseenCall, ...]
    """The calls that are not made any more: removed ones, and changed ones as they were."""
    removed: tuple[ToolCall, ...]
    """The removed ones among them."""


class BoundTool(BaseModel):
    """A tool as it was when a plan was made."""

    model_config = FROZEN

    name: str
    """The tool's name."""
    risk: Risk
    """The tool's declared risk."""
    spec_hash: str
    """SHA-256 of the tool's spec as canonical JSON: description, schema, risk."""
    source_hash: str | None
    """SHA-256 of the tool's source text; None without source."""


class Approval(BaseModel):
    """A person's or a program's approval of a whole plan."""

    model_config = FROZEN

    by: str
    """Who approved it."""
    at: float
    """Seconds since the epoch."""
    digest: str
    """`Plan.digest` of the plan that was approved."""
    expires: float | None = None
    """Seconds since the epoch after which no commit may begin; None without an end."""
    signature: str
    """`sha256:` and a checksum, or with `ARTIS_APPROVAL_KEY` `hmac-sha256:` and a signature, over the other
    fields."""
