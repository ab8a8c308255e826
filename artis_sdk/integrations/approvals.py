"""Calls that a framework holds back until somebody approves them, mapped to the session's approver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from artis_sdk.commit.approver import Approve, Edit, Reject, Unanswered
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.redaction import redacted_arguments
from artis_sdk.errors import InvalidArguments
from artis_sdk.records import ToolCall
from artis_sdk.tools.guarded import GuardedTool, Invocation
from artis_sdk.tools.world import current_world


async def asked(
    tool: GuardedTool[..., Any] | None, name: str, arguments: Mapping[str, Any]
) -> Approve | Reject | Edit:
    """The answer to a framework's question whether a call may be made.

    In a rehearsal yes: nothing real happens. In a commit that is held to its plan yes, too, because its guard
    asks about each call that the plan does not foresee. In a guided commit the session's approver answers;
    without one the answer is no.

    Args:
        tool: the tool; None for one that the session does not have: the answer is no.
        name: its name.
        arguments: the call's arguments.
    """
    if tool is None:
        return Reject(reason=f"{name} is not a tool of this session", by="artis_sdk")
    world = current_world()
    if not isinstance(world, RealWorld) or world.guard.mode != "guided":
        return Approve(by="artis_sdk")
    try:
        invocation = tool.parse(ToolCall(tool=name, arguments=dict(arguments)))
    except InvalidArguments as error:
        return Reject(reason=error.message, by="artis_sdk")
    return await _answer(world, invocation)


async def _answer(world: RealWorld, invocation: Invocation) -> Approve | Reject | Edit:
    """The approver's answer about a call that the framework makes later, or not; no answer is a no."""
    guard, call = world.guard, invocation.call
    match = guard.foreseen.look_up(call.tool, invocation.tool.spec, call.arguments, nested=False)
    request = guard.request(call, invocation.tool.risk, match, nested=False)
    answer: Any = await guard.terms.asking.ask(request, Approve, Reject, Edit)
    await guard.write_down(answer, call.tool, await redacted_arguments(world.redact, invocation))
    if isinstance(answer, Unanswered):
        return Reject(reason=answer.reason, by=answer.by)
    if isinstance(answer, Edit):
        arguments: Any = guard.terms.revealed(answer.arguments)
        return Edit(arguments=arguments, by=answer.by)
    return cast(Approve | Reject, answer)
