"""Calls that an approver puts among the foreseen ones during a commit: approved as they are, or edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from artis_sdk.commit.edited_out import EditedOut
from artis_sdk.commit.foreseen import ForeseenCalls, Match
from artis_sdk.commit.journal import CallChange, Decided, Decision
from artis_sdk.records import ForeseenCall, Plan, Risk, ToolCall
from artis_sdk.records.redacted import may_be_same
from artis_sdk.records.same_call import canonical, with_defaults
from artis_sdk.tools.guarded import Invocation


@dataclass(frozen=True, slots=True)
class _Edit:
    """An edit that the journal has."""

    asked: ToolCall
    arguments: dict[str, JsonValue]
    """Arguments that it is made with."""
    index: int
    """Index of the edited call among the foreseen ones."""
    nested: bool


class CallChanges:
    """The changes of one commit.

    An edited call is foreseen in its place, and the requested one is edited out. A call that was
    approved as it is keeps its kind; the foreseen one in whose place it is made is not foreseen any more.

    Args:
        plan: plan being committed.
        foreseen: its foreseen calls, which are changed.
    """

    def __init__(self, plan: Plan, foreseen: ForeseenCalls) -> None:
        self._foreseen = foreseen
        self._specs = {spec.name: spec for spec in plan.task.tools}
        self._risks = {spec.name: spec.risk for spec in plan.task.tools}
        self._edits: list[_Edit] = []
        """Edits before the commit broke off, as long as the agent may ask again for what was edited."""
        self.edited_out = EditedOut(plan)

    def of(
        self,
        made: Invocation,
        match: Match,
        verdict: Decided,
        redacted: dict[str, JsonValue],
        *,
        nested: bool,
    ) -> CallChange:
        """What an approved or edited call changes.

        Args:
            made: the call that is made.
            match: the requested call, beside the plan.
            verdict: whether it was approved or edited.
            redacted: arguments of the call that is made, without secrets.
            nested: whether another tool's body makes it.
        """
        # The place may have been taken while the question stood.
        left = match.index is not None and self._foreseen.is_left(match.index)
        place = match.index if left else None
        if verdict is not Decided.EDITED:
            return CallChange(place=place, nested=nested, kind=match.kind, arguments=redacted)
        name, arguments = made.tool.name, made.call.arguments
        same = self._foreseen.find(name, made.tool.spec, arguments, nested=nested)
        place = place if same is None else same
        return CallChange(place=place, nested=nested, kind="foreseen", arguments=redacted)

    def make(
        self,
        asked: ToolCall,
        arguments: dict[str, JsonValue],
        change: CallChange,
        by: str,
        *,
        risk: Risk,
    ) -> int:
        """Make a change; the index of the call that may be made now.

        Args:
            asked: the requested call.
            arguments: arguments of the call that is made.
            change: the change.
            by: who approved it.
            risk: risk of the tool.
        """
        call = ToolCall(tool=asked.tool, arguments=arguments)
        old = None if change.place is None else self._foreseen.calls[change.place]
        edited = change.kind == "foreseen"
        if edited and not self._is_same(asked, call):
            self.edited_out.add(asked, by)
        if edited and old is not None and change.place is not None:
            planned = self._foreseen.arguments(change.place)
            if planned is not None and self._is_same(ToolCall(tool=asked.tool, arguments=planned), call):
                return change.place
            self.edited_out.add(old, by)
            update = {"call": call, "edited_from": asked, "agreed": 0, "references": ()}
            return self._foreseen.put(old.model_copy(update=update), change.place, change.kind, by)
        new = ForeseenCall(
            call=call,
            risk=risk,
            predicted=None,
            agreed=0,
            attempts=0,
            nested=change.nested,
            edited_from=asked if edited else None,
        )
        return self._foreseen.put(new, change.place, change.kind, by)

    def _is_same(self, one: ToolCall, other: ToolCall) -> bool:
        spec = self._specs.get(one.tool)
        first, second = (canonical(with_defaults(spec, call.arguments)) for call in (one, other))
        return first == second

    # --- a commit that goes on ----------------------------------------------------------------

    def restore(self, decisions: Iterable[Decision], revealed: Callable[[JsonValue], JsonValue]) -> None:
        """Make the changes that were decided before the commit broke off, in their order.

        Args:
            decisions: the decisions about the plan.
            revealed: function that puts secrets back into a value, as far as they are known.
        """
        for one in decisions:
            if isinstance(one.change, CallChange) and one.tool is not None:
                asked = ToolCall(tool=one.tool, arguments=one.arguments or {})
                risk = self._risks.get(one.tool, Risk.IRREVERSIBLE)
                arguments = {name: revealed(value) for name, value in one.change.arguments.items()}
                index = self.make(asked, arguments, one.change, one.by, risk=risk)
                if one.verdict is Decided.EDITED:
                    self._edits.append(_Edit(asked, arguments, index, nested=one.change.nested))

    def forget_made(self, *, answers: bool) -> None:
        """Forget the edits whose call was made, where nobody asks for it again.

        Args:
            answers: whether the agent makes its calls again; a tool's body that runs again always does.
        """
        self._edits = [
            one for one in self._edits if answers or one.nested or self._foreseen.is_left(one.index)
        ]

    def instead_of(self, invocation: Invocation, *, nested: bool) -> dict[str, JsonValue] | None:
        """Arguments that were edited into this call before the commit broke off; None without such an edit.
        Each edit is taken once."""
        call = invocation.call
        for one in self._edits:
            if one.asked.tool != call.tool or one.nested is not nested:
                continue
            spec = invocation.tool.spec
            if may_be_same(with_defaults(spec, one.asked.arguments), with_defaults(spec, call.arguments)):
                self._edits.remove(one)
                return one.arguments
        return None
