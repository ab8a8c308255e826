"""Who approved a plan before its commit, and as what: the journal knows, or the approver answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import JsonValue

from artis_sdk.commit.approval import check_expiry
from artis_sdk.commit.approver import Approve, Asking, EditPlan, PlanRequest, Reject
from artis_sdk.commit.edit import EditableTools, edited
from artis_sdk.commit.journal import CommitJournal, Decided, Decision, PlanChange
from artis_sdk.commit.journal.queries import read
from artis_sdk.errors import CommitRefused, ConfigurationError, NotApproved
from artis_sdk.prompts import Prompts
from artis_sdk.records import Approval, CommitMode, Plan, ToolCall
from artis_sdk.records.redacted import is_redacted
from artis_sdk.simulators.veil import Veil

_MOST_QUESTIONS = 20  # about one plan in one commit; a program that edits each time would be asked for ever


@dataclass(frozen=True, slots=True)
class Agreed:
    """A plan that may be committed."""

    plan: Plan
    """The plan, with its secrets, and as edited if somebody edited it."""
    seen: Plan
    """The plan as the approver sees it."""
    by: str | None
    """Name of who approved it; None if nobody did and there is no approver."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Settles who approved a plan, and as what.

    Args:
        journal: journal of the decisions.
        asking: the approver.
        tools: the session's tools, which the arguments of an edit must fit.
        prompts: templates, of which `advice` writes the advice of an edited plan.
        secrets: what takes secrets out of what the approver sees, and puts them back.
    """

    journal: CommitJournal
    asking: Asking
    tools: EditableTools
    prompts: Prompts
    secrets: Veil

    async def on(self, given: Plan, plan: Plan, mode: CommitMode) -> Agreed:
        """Ask the approver about a plan that nobody approved, unless the journal has the answer.

        An edited plan needs a new answer. Once a plan was edited, its old form is never committed: whoever
        brings it gets the edited one.

        Args:
            given: the plan as passed in or read from its file. Approvals that it has are journaled.
            plan: the same plan with its secrets.
            mode: how it will be committed.

        Raises:
            NotApproved: it was rejected, nobody answered, nobody approved it since it was edited, or it was
                edited again and again; or the journal's approval of it has ended, or is of another form.
            PlanExpired: it held until a moment that has passed, perhaps while the question stood.
            JournalError: the journal cannot be read or written.
        """
        seen = self.secrets.shown(given)
        asked = 0
        while True:
            known = await read(self.journal, partial(self.journal.decisions, plan=plan.id))
            answer: str | Decision | None = _next_edit(plan, known)
            if answer is None:
                if asked == _MOST_QUESTIONS:
                    raise NotApproved(
                        plan.id,
                        f"the approver edited it {asked} times and never approved it; the edits are "
                        "journaled, and whoever commits it goes on from the last one",
                    )
                asked += 1
                answer = await self._answer(seen, plan, mode, known)
            if not isinstance(answer, Decision):
                break
            plan = self._again(plan, answer)
            seen = self.secrets.shown(plan)
        before = _approved_before(known) if answer is None else None
        if before is not None and not plan.edits:
            raise NotApproved(
                plan.id,
                f"{before.by} approved it before, and that approval has ended or is not of the plan as it is "
                "now: `artis plan approve FILE --by NAME`, or approve= on the session",
            )
        if answer is None and plan.edits:
            raise NotApproved(
                plan.id,
                f"its calls were edited by {plan.edits[-1].by}, and nobody approved it as it is now: "
                "`artis plan approve FILE --by NAME`, or approve= on the session",
            )
        check_expiry(plan)
        return Agreed(plan, seen, answer)

    async def edit(self, given: Plan, plan: Plan, edit: EditPlan) -> Plan:
        """Edit a plan, and journal who did; the edited one needs an approval of its own.

        Args:
            given, plan: as in `on`.
            edit: the edit, with the name of who makes it.

        Raises:
            ConfigurationError: see `edited`.
            CommitRefused: the plan's commit has begun.
            JournalError: the journal cannot be read or written.
        """
        decision = await self._edited(self.secrets.shown(given), plan, edit)
        return self._again(plan, decision)

    async def _answer(
        self, seen: Plan, plan: Plan, mode: CommitMode, known: list[Decision]
    ) -> str | Decision | None:
        """Name of who approved the plan, or how it was edited; None if there is nobody to ask."""
        known = [one for one in known if one.about == "plan" and one.digest == seen.digest]
        if seen.approvals:
            journaled = {(one.by, one.at) for one in known}
            for approval in seen.approvals:
                if (approval.by, approval.at) not in journaled:
                    await self.journal.decide(_decision(seen, approval))
            return seen.approvals[-1].by
        if seen.digest is not None and known and _holds(known[-1]):
            return known[-1].by
        if not self.asking.is_there:
            return None
        answer = await self.asking.ask(PlanRequest(plan=seen, mode=mode), Approve, Reject, EditPlan)
        if isinstance(answer, EditPlan):
            try:
                return await self._edited(seen, plan, answer)
            except ConfigurationError as error:
                verdict, reason = Decided.STOPPED, f"{answer.by} edited it, and {error}"
        elif isinstance(answer, Approve):
            verdict, reason = Decided.APPROVED, None
        else:
            verdict = Decided.REJECTED if isinstance(answer, Reject) else Decided.STOPPED
            reason = getattr(answer, "reason", None)
        decision = Decision(
            plan=seen.id,
            at=time.time(),
            about="plan",
            verdict=verdict,
            by=answer.by,
            digest=seen.digest,
            reason=reason,
        )
        await self.journal.decide(self.secrets.shown(decision))
        if verdict is Decided.REJECTED:
            raise NotApproved(seen.id, f"{answer.by} rejected it: {reason}")
        if verdict is Decided.STOPPED:
            raise NotApproved(seen.id, f"it was not approved: {reason}")
        return answer.by

    async def _edited(self, seen: Plan, plan: Plan, edit: EditPlan) -> Decision:
        """The edit as the journal has it, once it is known to fit the plan and is journaled."""
        known = await read(self.journal, partial(self.journal.decisions, plan=plan.id))
        calls = await read(self.journal, partial(self.journal.calls, plan=plan.id))
        if calls or any(one.about != "plan" for one in known):
            raise CommitRefused(
                plan.id, "its commit has begun, so its calls are not edited any more; rehearse what is left"
            )
        if (later := _next_edit(plan, known)) is not None:
            raise CommitRefused(plan.id, f"{later.by} edited it already: commit it, and you get that plan")
        redacted = {n: self._redacted(plan, n, arguments) for n, arguments in edit.arguments.items()}
        decision = Decision(
            plan=seen.id,
            at=time.time(),
            about="plan",
            verdict=Decided.EDITED,
            by=edit.by,
            digest=seen.digest,
            reason=_told(edit),
            change=PlanChange(after=len(plan.edits), removed=edit.removed, edited=redacted),
        )
        self._again(plan, decision)
        await self.journal.decide(decision)
        return decision

    def _redacted(self, plan: Plan, n: int, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if not 0 <= n < len(plan.foreseen):
            return {}
        call = ToolCall(tool=plan.foreseen[n].call.tool, arguments=arguments)
        return self.secrets.shown(call).arguments

    def _again(self, plan: Plan, decision: Decision) -> Plan:
        """The plan as a journaled edit left it."""
        assert isinstance(decision.change, PlanChange)
        arguments: Any = {n: self.secrets.revealed(given) for n, given in decision.change.edited.items()}
        if any(map(is_redacted, arguments.values())):
            raise CommitRefused(
                plan.id,
                f"{decision.by} edited it, and the journal has the new arguments without their secrets: "
                "commit the edited plan, or rehearse again",
            )
        edit = EditPlan(removed=decision.change.removed, arguments=arguments, by=decision.by)
        return edited(plan, edit, self.tools, self.prompts, at=decision.at)


def _told(edit: EditPlan) -> str:
    """An edit in words, by the numbers that the page has."""
    parts = [("removed", edit.removed), ("changed", edit.arguments)]
    return ", ".join(f"{what} call {', '.join(str(n + 1) for n in which)}" for what, which in parts if which)


def _next_edit(plan: Plan, known: list[Decision]) -> Decision | None:
    """The journaled edit of this plan as it is now; None if it has all of them.

    Edits are counted, and not found by digest: a plan's digest without its secrets differs from process to
    process.

    Raises:
        CommitRefused: the plan was edited otherwise than the journal says.
    """
    edits = {one.change.after: one for one in known if isinstance(one.change, PlanChange)}
    for n, made in enumerate(plan.edits):
        journaled = edits.get(n)
        if journaled is not None and (journaled.by, journaled.at) != (made.by, made.at):
            raise CommitRefused(
                plan.id,
                f"{journaled.by} edited it at the same time as {made.by}, and only one edit holds: commit "
                "the plan as it was before them, and you get the one that does",
            )
    return edits.get(len(plan.edits))


def _approved_before(known: list[Decision]) -> Decision | None:
    """The last approval of a plan of this id, whether it holds or not."""
    approvals = (one for one in known if one.about == "plan" and one.verdict is Decided.APPROVED)
    return max(approvals, key=lambda one: one.at, default=None)


def _holds(decision: Decision) -> bool:
    ends = decision.expires
    return decision.verdict is Decided.APPROVED and (ends is None or ends > time.time())


def _decision(plan: Plan, approval: Approval) -> Decision:
    return Decision(
        plan=plan.id,
        at=approval.at,
        about="plan",
        verdict=Decided.APPROVED,
        by=approval.by,
        digest=approval.digest,
        expires=approval.expires,
    )
