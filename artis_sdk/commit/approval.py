"""Approving a plan as a value, and the check before a commit that it is still what was made and approved."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import UTC, datetime
from operator import is_
from typing import Protocol

from pydantic import SecretStr

from artis_sdk.contracts import ObservedTool
from artis_sdk.errors import ConfigurationError, PlanChanged, PlanExpired
from artis_sdk.loop.foresee import bound_tool
from artis_sdk.loop.lasting import check_moment
from artis_sdk.records import Approval, BoundTool, Message, Plan, ToolSpec, plan_digest
from artis_sdk.records.same_call import canonical

KEY_NAME = "ARTIS_APPROVAL_KEY"
_SHORTEST_KEY = 16
_CHECKSUM = "sha256:"
_SIGNATURE = "hmac-sha256:"


class Tools(Protocol):
    """The session's tools, by name."""

    def get(self, name: str) -> ObservedTool | None: ...


def own_plan(plan: Plan) -> Plan:
    """The plan with foreseen calls and edits of its own: what others do to the plan that they hold, an
    approver that shortens a text on its page included, changes nothing of what is approved and made."""
    if not plan.foreseen and not plan.edits:
        return plan
    own = {
        name: tuple([one.model_copy(deep=True) for one in parts])
        for name, parts in (("foreseen", plan.foreseen), ("edits", plan.edits))
    }
    return plan.model_copy(update=own)


def approved(plan: Plan, *, by: str, expires: float | None = None, key: SecretStr | None = None) -> Plan:
    """A plan with one more approval.

    Args:
        plan: the plan, as the person saw it.
        by: name of the person or program.
        expires: time after which no commit may begin, in seconds since the epoch; None for no end.
        key: signing key; without one the approval has a checksum, which anybody can compute.

    Raises:
        PlanChanged: the plan does not fit its digest, or has none.
        PlanExpired: the plan holds no longer.
        ConfigurationError: `by` is empty, the key is too short, or the end has passed.
    """
    if not by.strip():
        raise ConfigurationError("an approval takes the name of who approves (by)")
    check_expiry(plan)
    now = time.time()
    if expires is not None:
        check_moment(expires)
        if expires <= now:
            raise ConfigurationError(f"the approval would be over already: {moment_text(expires)}")
    digest = _checked_digest(plan)
    bare = Approval(by=by, at=now, digest=digest, expires=expires, signature="")
    signed = bare.model_copy(update={"signature": _signature(bare, plan.id, key)})
    return plan.model_copy(update={"approvals": (*plan.approvals, signed)})


def checked_plan(plan: Plan, tools: Tools, key: SecretStr | None = None) -> Plan:
    """A plan that is the one that was made and approved, with those of its approvals that hold, and with
    its tools as this session has them: the digest binds their hashes, and not the specs in the plan's task.

    A plan without a digest binds nothing and passes, if it claims no approval.

    Args:
        plan: the plan as passed in or read from its file.
        tools: the session's tools.
        key: key that its approvals must be signed with; None for unsigned ones.

    Raises:
        PlanChanged: its content, a tool or every approval does not fit; the message says which.
        PlanExpired: its time is over.
    """
    check_expiry(plan)
    if plan.digest is None and not plan.approvals:
        return plan
    digest = _checked_digest(plan)
    specs = tuple([_checked_tool(plan, tools, tool) for tool in plan.tools])
    problems = [_problem(approval, plan.id, digest, key) for approval in plan.approvals]
    if problems and all(problems):
        raise PlanChanged(plan.id, f"{problems[-1]}; approve it again: `artis plan approve FILE --by NAME`")
    holding = tuple(one for one, wrong in zip(plan.approvals, problems, strict=True) if wrong is None)
    known = plan.task.tools
    if len(known) == len(specs) and all(map(is_, known, specs)):  # as in the process that made it
        return plan if len(holding) == len(problems) else plan.model_copy(update={"approvals": holding})
    task = plan.task.model_copy(update={"tools": specs})
    return plan.model_copy(update={"approvals": holding, "task": task})


def as_checked(plan: Plan, checked: Plan) -> Plan:
    """A plan with its secrets, as `checked_plan` has left it without them."""
    task = plan.task
    if task.tools is not checked.task.tools:
        task = task.model_copy(update={"tools": checked.task.tools})
    return plan.model_copy(update={"approvals": checked.approvals, "task": task})


def with_bound_words(plan: Plan, known: tuple[Message, ...]) -> Plan:
    """The plan with the conversation that its digest binds: without what models sent beside its texts and
    calls (`raw`), which would go back to them as it stands there.

    Args:
        plan: the plan.
        known: messages of the session's own, which stay as they are.
    """
    task = plan.task
    if task.conversation is known or not task.conversation:
        return plan
    own = frozenset(known)
    words = tuple([one if one in own else _without_raw(one) for one in task.conversation])
    return plan.model_copy(update={"task": task.model_copy(update={"conversation": words})})


def _without_raw(message: Message) -> Message:
    calls = tuple([call.model_copy(update={"raw": None}) for call in message.tool_calls])
    return message.model_copy(update={"raw": None, "tool_calls": calls})


def check_expiry(plan: Plan) -> None:
    """Refuse a plan whose end has come, by the clock of this machine.

    Raises:
        PlanExpired: its time is over.
    """
    if plan.expires is not None and not plan.expires > time.time():  # so that NaN is over
        raise PlanExpired(
            plan.id,
            f"it held until {moment_text(plan.expires)}, which has passed by this machine's clock: nothing "
            "was run. Rehearse again, or what is left if its commit had begun",
        )


def _checked_digest(plan: Plan) -> str:
    digest = plan_digest(plan)
    if plan.digest is None:
        raise PlanChanged(
            plan.id, "it binds nothing (an earlier version made it, or it was made by hand); rehearse again"
        )
    if digest != plan.digest:
        raise PlanChanged(
            plan.id,
            "it was changed after it was made: id, query, conversation, guidance, calls, tools or journal no "
            "longer fit its digest. Take the plan as it was saved, or rehearse again",
        )
    return digest


def _checked_tool(plan: Plan, tools: Tools, then: BoundTool) -> ToolSpec:
    """The spec of a tool that is still the one that the plan was made with."""
    name = then.name
    here = tools.get(name)
    if here is None:
        raise PlanChanged(plan.id, f"this session has no tool {name!r}, which the plan was made with")
    now = bound_tool(here)
    if now == then:
        return here.spec
    if now.risk is not then.risk:
        what = f"its risk is {now.risk}, and was {then.risk}"
    elif now.spec_hash != then.spec_hash:
        what = "its description or the schema of its arguments is another"
    else:
        what = "its source is another"
    raise PlanChanged(
        plan.id, f"the tool {name!r} has changed since the plan was made: {what}; rehearse again"
    )


def _problem(approval: Approval, plan: str, digest: str, key: SecretStr | None) -> str | None:
    """Reason why an approval does not hold; None if it does."""
    if approval.digest != digest:
        return f"the approval by {approval.by} is of another plan"
    if key is None and approval.signature.startswith(_SIGNATURE):
        return f"the approval by {approval.by} is signed, and {KEY_NAME} is not set, so nobody can check it"
    if key is not None and not approval.signature.startswith(_SIGNATURE):
        return f"the approval by {approval.by} is not signed, and {KEY_NAME} is set"
    signature = approval.signature.encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(signature, _signature(approval, plan, key).encode()):
        return f"the approval by {approval.by} was changed, or is signed with another key"
    if approval.expires is not None and not approval.expires > time.time():
        return f"the approval by {approval.by} ended {moment_text(approval.expires)}"
    return None


def _signature(approval: Approval, plan: str, key: SecretStr | None) -> str:
    what = canonical([plan, approval.digest, approval.by, approval.at, approval.expires]).encode()
    if key is None:
        return _CHECKSUM + hashlib.sha256(what).hexdigest()
    secret = key.get_secret_value().encode()
    if len(secret) < _SHORTEST_KEY:
        raise ConfigurationError(f"{KEY_NAME} has fewer than {_SHORTEST_KEY} bytes; take a random text")
    return _SIGNATURE + hmac.new(secret, what, hashlib.sha256).hexdigest()


def moment_text(seconds: float) -> str:
    """A moment as an error writes it: in this machine's time zone, which it names."""
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # no date says it
        return f"{seconds:g} seconds after 1970"
