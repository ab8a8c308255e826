"""Holds a commit to its plan: the check in front of each real call, and the one behind it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue

from artis_sdk.commit.approver import (
    Approve,
    Asking,
    CallRequest,
    Edit,
    OutcomeRequest,
    Reject,
    Unanswered,
)
from artis_sdk.commit.call_changes import CallChanges
from artis_sdk.commit.foreseen import ForeseenCalls, Match
from artis_sdk.commit.journal import CommitJournal, Decided, Decision, JournaledCall
from artis_sdk.commit.journal.queries import read
from artis_sdk.errors import CommitStopped, InvalidArguments
from artis_sdk.records import (
    CommitMode,
    CommittedCall,
    NotMade,
    Outcome,
    Plan,
    Provenance,
    Risk,
    ToolCall,
    Treatment,
)
from artis_sdk.records.action_text import format_actions
from artis_sdk.records.redacted import PLACEHOLDER, is_redacted
from artis_sdk.records.same_call import canonical
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.passed import is_shown_whole
from artis_sdk.tools.reply import Reply

M = TypeVar("M", bound=BaseModel)

Treatments = Treatment | Mapping[Risk, Treatment]
"""A treatment, or one by risk; `ask` for a risk that is left out."""
_UNFILLED = (
    "a placeholder stands in it for a secret that the plan does not hold: commit the plan itself, or the one "
    "from Session.saved, and not the one that was shown"
)
REJECTED = "rejected"
"""Failure type of a call that the approver rejected."""


def _same(record: M) -> M:
    return record


def _revealed(value: JsonValue) -> JsonValue:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one commit.

    `guided` makes every call; `bound` and `replay` hold the calls to the plan.
    """

    mode: CommitMode = "guided"
    on_unforeseen: Treatments = "ask"
    """Treatment of a call that may change something and is not foreseen."""
    on_divergence: Treatments = "ask"
    """Treatment of a call whose outcome is not the predicted one."""
    asking: Asking = field(default_factory=lambda: Asking(None))
    shown: Callable[[Any], Any] = _same
    """A record without secrets, for the approver."""
    revealed: Callable[[JsonValue], JsonValue] = _revealed
    """A value of the approver's with the secrets in their placeholders' places."""
    digest: str | None = None
    """Digest of the plan as the approver sees it, for the journal: one over secrets would help to find
    them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may be made."""

    invocation: Invocation
    match: Match
    approved_by: str | None = None
    """Who approved this call by itself."""
    around: Admitted | None = None
    """The call as the plan of the commit around admitted it, for a session inside another's commit."""


class Guard:
    """Admits the calls of one commit, and looks at their outcomes.

    Args:
        plan: plan being committed.
        terms: terms of the commit.
        journal: journal of the decisions.
    """

    def __init__(self, plan: Plan, terms: Terms, journal: CommitJournal) -> None:
        self._plan = plan
        self.terms = terms
        self._journal = journal
        self.foreseen = ForeseenCalls(plan)
        self._changes = CallChanges(plan, self.foreseen)
        self.not_made: list[NotMade] = []
        self._specs = {spec.name: spec for spec in plan.task.tools}
        self._matched: dict[int, tuple[Match, Outcome | None]] = {}
        """Calls that were made before the commit broke off, by sequence number."""
        self._accepted: set[str | None] = set()
        """Journal ids of calls whose diverged outcomes the approver accepted."""

    @property
    def mode(self) -> CommitMode:
        """How the plan is committed."""
        return self.terms.mode

    # --- before the call ----------------------------------------------------------------------

    async def admit(
        self, invocation: Invocation, redacted: Mapping[str, JsonValue], *, nested: bool
    ) -> Admitted | Reply:
        """Admit a call, or the one that the approver puts in its place; else the failure for the agent.

        Args:
            invocation: the call.
            redacted: its arguments without secrets, for the journal.
            nested: whether another tool's body makes it.

        Raises:
            CommitStopped: it is not made, and the commit ends.
            JournalError: the decision could not be written; the call is not made.
        """
        tool, spec, arguments = invocation.tool, invocation.tool.spec, invocation.call.arguments
        if is_shown_whole(invocation):
            match = self.foreseen.take(spec.name, spec, arguments, nested=nested)
        else:  # it only looks like the foreseen one
            match = self.foreseen.next_of(spec.name, nested=nested)
        if match.kind == "foreseen" or match.approved_by is not None:
            return Admitted(invocation, match, match.approved_by)
        by = self._changes.edited_out.by(tool, arguments)
        if by is not None:
            no = Reject(reason="it is a call that was edited out of the plan", by=by)
            return await self._decided(invocation, redacted, match, no, nested=nested)
        if tool.risk is Risk.READ_ONLY:
            return Admitted(invocation, match)
        guided = self.terms.mode == "guided"
        treatment = "allow" if guided else _treatment(self.terms.on_unforeseen, tool.risk)
        if treatment == "ask":
            request = self.request(invocation.call, tool.risk, match, nested=nested)
            answer: Any = await self.terms.asking.ask(request, Approve, Reject, Edit)
        elif treatment == "stop":
            answer = Unanswered(reason="on_unforeseen is `stop`")
        elif not self._lacks_secrets(arguments):
            return Admitted(invocation, match)
        else:
            answer = Unanswered(reason=_UNFILLED)
        return await self._decided(invocation, redacted, match, answer, nested=nested)

    def _lacks_secrets(self, arguments: Mapping[str, JsonValue]) -> bool:
        """Whether the plan told the agent a placeholder, which it now takes for the secret itself."""
        told = f"{self._plan.task.query}\n{self._plan.guidance or ''}"
        return any(one in canonical(dict(arguments)) for one in re.findall(PLACEHOLDER, told))

    async def _decided(
        self,
        invocation: Invocation,
        redacted: Mapping[str, JsonValue],
        match: Match,
        answer: Approve | Reject | Edit | Unanswered,
        *,
        nested: bool,
    ) -> Admitted | Reply:
        call = invocation.call
        verdict = _VERDICTS[type(answer)]
        reason = answer.reason if isinstance(answer, Reject | Unanswered) else None
        made: Invocation | None = invocation if isinstance(answer, Approve) else None
        if isinstance(answer, Edit):
            try:
                arguments = self.terms.revealed(answer.arguments)
                if is_redacted(arguments) and not is_redacted(call.arguments):
                    raise InvalidArguments(call.tool, "a placeholder in it stands for no secret known here")
                made = _edited(invocation, arguments)
            except InvalidArguments as error:
                verdict, reason = Decided.STOPPED, f"{answer.by} edited it, and {error}"
            else:
                reason = f"{answer.by} edited it: {_text(self.terms.shown(made.call))}"
        change, asked = None, match
        if made is not None:
            # At once, before the journal: another call that is decided meanwhile finds its place taken.
            shown = self.terms.shown(made.call).arguments
            change = self._changes.of(made, match, verdict, shown, nested=nested)
            self._changes.make(call, made.call.arguments, change, answer.by, risk=invocation.tool.risk)
            match = self.foreseen.take(call.tool, made.tool.spec, made.call.arguments, nested=nested)
        await self.write_down(answer, call.tool, redacted, verdict=verdict, reason=reason, change=change)
        if made is not None:
            if made is not invocation:
                self._leave_out(invocation, asked, reason or "", nested=nested)
            return Admitted(made, match, answer.by)
        told = f"{answer.by} rejected this call: {reason}" if verdict is Decided.REJECTED else reason or ""
        self._leave_out(invocation, match, told, nested=nested)
        if verdict is Decided.REJECTED:
            outcome = Outcome.failure(REJECTED, told, Provenance.FORCED, raised=True)
            return invocation.tool.reply(outcome)
        raise CommitStopped(call.tool, f"this call is {match.kind} and was not made: {told}")

    def request(self, call: ToolCall, risk: Risk, match: Match, *, nested: bool) -> CallRequest:
        """The question to the approver about a call, without secrets."""
        return CallRequest(
            plan=self.terms.shown(self._plan),
            call=self.terms.shown(call),
            risk=risk,
            kind=match.kind,
            foreseen=None if match.foreseen is None else self.terms.shown(match.foreseen),
            nested=nested,
        )

    async def write_down(
        self,
        answer: Approve | Reject | Edit | Unanswered,
        tool: str,
        redacted: Mapping[str, JsonValue],
        **more: Any,
    ) -> None:
        """Journal the answer about a call.

        Args:
            answer: the answer.
            tool: name of the tool.
            redacted: the call's arguments without secrets.
            more: further fields of the `Decision`, or others than the answer's.

        Raises:
            JournalError: it could not be written.
        """
        reason = answer.reason if isinstance(answer, Reject | Unanswered) else None
        fields: dict[str, Any] = {"verdict": _VERDICTS[type(answer)], "reason": reason, **more}
        await self._decide(about="call", by=answer.by, tool=tool, arguments=dict(redacted), **fields)

    async def _decide(self, **fields: Any) -> None:
        """Journal a decision, whose reason a person may have written a secret into."""
        now = time.time()
        decision = Decision(plan=self._plan.id, at=now, digest=self.terms.digest, **fields)
        await self._journal.decide(self.terms.shown(decision))

    def _leave_out(self, invocation: Invocation, match: Match, reason: str, *, nested: bool) -> None:
        self.not_made.append(
            NotMade(
                call=invocation.call,
                risk=invocation.tool.risk,
                kind=match.kind,
                reason=reason,
                nested=nested,
            )
        )

    # --- a commit that goes on ----------------------------------------------------------------

    async def restore(self, calls: Iterable[JournaledCall], *, answers: bool) -> None:
        """Go on after the calls that were made before the commit broke off: the foreseen ones among them are
        used up, and what was approved or edited meanwhile holds.

        Args:
            calls: the plan's journaled calls, all settled, in the order in which they began.
            answers: whether the agent makes its calls again.

        Raises:
            JournalError: the journal cannot be read.
        """
        decisions = await read(self._journal, partial(self._journal.decisions, plan=self._plan.id))
        self._changes.restore(decisions, self.terms.revealed)
        for call in calls:
            if call.outcome is not None and call.risk is not Risk.READ_ONLY:
                self._matched[call.seq] = self._match(call)
        accepted = (one for one in decisions if one.about == "outcome" and one.verdict is Decided.APPROVED)
        self._accepted = {decision.call for decision in accepted}
        self._changes.forget_made(answers=answers)

    def in_place(self, invocation: Invocation, *, nested: bool) -> Invocation:
        """The call that was edited into this one's place before the commit broke off, or this one."""
        instead = self._changes.instead_of(invocation, nested=nested)
        if instead is None or is_redacted(instead):
            return invocation
        return _edited(invocation, instead)

    def matched(self, call: JournaledCall) -> tuple[Match, Outcome | None]:
        """An earlier call beside the plan, and its predicted outcome. A read-only one is looked up now: an
        agent may read again instead."""
        return self._matched[call.seq] if call.seq in self._matched else self._match(call)

    def _match(self, call: JournaledCall) -> tuple[Match, Outcome | None]:
        spec = self._specs.get(call.tool)
        match = self.foreseen.take(call.tool, spec, call.arguments, nested=call.within is not None)
        return match, None if call.outcome is None else self.expected(match, call.outcome)

    # --- after the call -----------------------------------------------------------------------

    def expected(self, match: Match, outcome: Outcome) -> Outcome | None:
        """The outcome that a call should have had, with real identifiers; None if it is not foreseen."""
        if match.kind != "foreseen" or match.index is None:
            return None
        return self.foreseen.expected(match.index, outcome)

    def beside(self, made: CommittedCall, match: Match) -> CommittedCall:
        """A call beside this plan, as opposed to the plan that it was made for."""
        return made.model_copy(update=beside(match, self.expected(match, made.outcome)))

    async def look_at(self, made: CommittedCall) -> None:
        """Look at a call's outcome.

        A value that differs does not matter once nothing is left to do that depends on it: no foreseen call
        of the agent's that may change something. An outcome of another type always matters.

        Raises:
            CommitStopped: it diverged, and the commit ends.
        """
        if made.journal_id in self._accepted:
            return
        if self.terms.mode == "guided" or not made.diverged:
            return
        assert made.predicted is not None
        if made.outcome.type == made.predicted.type and self.foreseen.is_over:
            return
        treatment = _treatment(self.terms.on_divergence, made.risk)
        if treatment == "allow":
            return
        if treatment == "stop":
            answer: Any = Unanswered(reason="on_divergence is `stop`")
        else:
            shown = self.terms.shown
            request = OutcomeRequest(plan=shown(self._plan), made=shown(made))
            answer = await self.terms.asking.ask(request, Approve, Reject)
        reason = answer.reason if isinstance(answer, Reject | Unanswered) else None
        await self._decide(
            about="outcome",
            verdict=_VERDICTS[type(answer)],
            by=answer.by,
            tool=made.call.tool,
            call=made.journal_id,
            reason=reason,
        )
        if not isinstance(answer, Approve):
            told = f"{answer.by}: {reason}" if isinstance(answer, Reject) else reason
            raise CommitStopped(
                made.call.tool,
                f"the call gave {made.outcome.type}, and the plan foresees another outcome "
                f"({made.predicted.type}); {told}",
            )


def beside(match: Match, expected: Outcome | None) -> dict[str, Any]:
    """The fields of a `CommittedCall` that say how it relates to the plan."""
    foreseen = match.foreseen if match.kind == "foreseen" else None
    # Of an edited call nothing more is expected once it has succeeded.
    predicted = None if foreseen is None or expected is None else foreseen.predicted
    return {
        "kind": match.kind,
        "predicted": predicted,
        "expected": None if expected is predicted else expected,
        "approved_by": match.approved_by,
        "edited_from": None if foreseen is None else foreseen.edited_from,
    }


_VERDICTS: dict[type[BaseModel], Decided] = {
    Approve: Decided.APPROVED,
    Reject: Decided.REJECTED,
    Edit: Decided.EDITED,
    Unanswered: Decided.STOPPED,
}


def _treatment(given: Treatments, risk: Risk) -> Treatment:
    return given if isinstance(given, str) else given.get(risk, "ask")


def _edited(invocation: Invocation, arguments: JsonValue) -> Invocation:
    """The call with other arguments; hidden ones stay.

    Raises:
        InvalidArguments: they do not fit the tool's schema.
    """
    assert isinstance(arguments, dict)
    tool = invocation.tool
    edited = tool.parse(ToolCall(tool=tool.name, arguments=arguments))
    hidden = {name: value for name, value in invocation.kwargs.items() if name in tool.hidden}
    return Invocation(tool, edited.call, edited.args, {**edited.kwargs, **hidden})


def _text(call: ToolCall) -> str:
    return format_actions([call])[1:-1]
