"""Asking the person at a client about a plan: elicitation, in the protocols before and from 2026-07-28."""

from __future__ import annotations

from typing import Any, TypeAlias

from mcp import types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from artis_sdk.commit.approver import Approve, Reject
from artis_sdk.gateway.holding import Held
from artis_sdk.records import Plan
from artis_sdk.records.brief import call_text, outcome_line
from artis_sdk.view.plan_rows import plan_rows
from artis_sdk.visible import visible

_KEY = "approval"
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Make these calls for real", "default": False},
        "reason": {"type": "string", "title": "If not: why, for the agent"},
    },
    "required": ["approve"],
}

Context: TypeAlias = ServerRequestContext[Any, Any]


def can_elicit(ctx: Context) -> bool:
    """Whether the client shows forms to its person."""
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        return False
    asked = capabilities.elicitation
    return asked.form is not None or asked.url is None  # before there were two ways, none was named


async def elicited(
    ctx: Context, params: types.CallToolRequestParams, held: Held
) -> Approve | Reject | types.InputRequiredResult | None:
    """The person's answer about a plan; the result that asks for it, after which the client calls once more;
    or None if there is no answer.

    Args:
        ctx: request of the client that wants the plan carried out.
        params: that request's parameters.
        held: the plan.
    """
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        answers = params.input_responses or {}
        if params.request_state != held.plan.id or not held.is_asked or _KEY not in answers:
            form = types.ElicitRequestFormParams(message=question(held.shown), requested_schema=_FORM)
            return types.InputRequiredResult(
                input_requests={_KEY: types.ElicitRequest(params=form)}, request_state=held.plan.id
            )
        answer = answers[_KEY]
        return _read(answer, _name(ctx)) if isinstance(answer, types.ElicitResult) else None
    try:
        given = await ctx.session.elicit_form(question(held.shown), _FORM, ctx.request_id)
    except MCPError:  # the client cannot, in spite of what it said: the page is left
        return None
    return _read(given, _name(ctx))


def question(shown: Plan) -> str:
    """What a person reads before an answer: every call, whole, with what is predicted of it and what earlier
    calls fill in."""
    lines = ["Shall these calls be made for real, exactly these, once?"]
    for n, row in enumerate(plan_rows(shown), 1):
        lines.append(f"{n}. {visible(call_text(row.call))}  ({row.risk})")
        found = row.predicted
        lines.append(f"   predicted: {visible(outcome_line(found)) if found else 'nothing'}")
        lines += [f"   {visible(note)}" for note in row.notes]
    lines += [f"Note: {visible(note)}" for note in shown.notes]
    return "\n".join(lines)


def _read(answer: types.ElicitResult, by: str) -> Approve | Reject | None:
    content = answer.content or {}
    if answer.action == "accept" and content.get("approve") is True:
        return Approve(by=by)
    if answer.action == "cancel":
        return None
    reason = content.get("reason")
    return Reject(reason=reason if isinstance(reason, str) and reason else "no reason was given", by=by)


def _name(ctx: Context) -> str:
    client = ctx.session.client_params
    return f"the person at {'a client' if client is None else client.client_info.name}"
