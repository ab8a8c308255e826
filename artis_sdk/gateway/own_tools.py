"""The gateway's own tools: `rehearse`, `plan_show`, `commit`."""

from __future__ import annotations

from typing import Any, TypeVar

from mcp import types
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from artis_sdk.errors import ConfigurationError
from artis_sdk.records.fields import JsonObject

REHEARSE, PLAN_SHOW, COMMIT = "rehearse", "plan_show", "commit"

R = TypeVar("R", bound=BaseModel)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProposedCall(_Request):
    """One call that the client's agent intends."""

    tool: str = Field(description="Name of the tool, as this server lists it.")
    arguments: JsonObject = Field(default_factory=dict, description="Its arguments, exactly as intended.")


class RehearseRequest(_Request):
    """Arguments of `rehearse`."""

    calls: tuple[ProposedCall, ...] = Field(
        default=(), max_length=100, description="The calls, in the order in which they are to be made."
    )
    why: str | None = Field(
        default=None, description="What they are for, in one sentence, for the person who approves."
    )
    task: str | None = Field(
        default=None,
        description="Instead of calls: a task in words, where the gateway has an agent of its own.",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> RehearseRequest:
        if bool(self.calls) == (self.task is not None):
            raise ValueError("give either `calls` or `task`")
        return self


class PlanShowRequest(_Request):
    """Arguments of `plan_show`."""

    plan_id: str | None = Field(default=None, description="Id of the plan; left out for a list of all.")


class CommitRequest(_Request):
    """Arguments of `commit`."""

    plan_id: str = Field(description="Id of a plan from `rehearse`, or of a call that was held.")


def read_request(kind: type[R], given: dict[str, Any]) -> R:
    """A request's arguments.

    Raises:
        ConfigurationError: they do not fit.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_input=False)
        lines = (f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in problems)
        raise ConfigurationError("; ".join(lines)) from None


def _tool(
    name: str, description: str, request: type[BaseModel], annotations: types.ToolAnnotations
) -> types.Tool:
    return types.Tool(
        name=name,
        description=description,
        input_schema=request.model_json_schema(),
        annotations=annotations,
    )


OWN_TOOLS = (
    _tool(
        REHEARSE,
        "Rehearse calls of this server's tools before any is made: each gets the outcome that a simulator "
        "predicts, and its risk. Nothing real happens. Gives a plan id for `commit`.",
        RehearseRequest,
        types.ToolAnnotations(read_only_hint=True),
    ),
    _tool(
        PLAN_SHOW,
        "Show a plan and where it stands: rehearsed, waiting, approved, rejected, running, committed; also "
        "what the journal has of a plan from before a restart.",
        PlanShowRequest,
        types.ToolAnnotations(read_only_hint=True),
    ),
    _tool(
        COMMIT,
        "Carry out exactly the calls of a plan, in their order, once, for real, if a person approves it. "
        "Ends early where an outcome is not the predicted one. Asked again, it tells the same result and "
        "makes nothing a second time.",
        CommitRequest,
        types.ToolAnnotations(destructive_hint=True, idempotent_hint=True),
    ),
)
