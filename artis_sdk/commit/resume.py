"""Resuming an interrupted commit: the journal answers the calls that it made."""

from __future__ import annotations

from collections.abc import Sequence

from artis_sdk.commit.alike import may_be_one
from artis_sdk.commit.journal import JournaledCall
from artis_sdk.errors import CommitRefused, SimulationError
from artis_sdk.records import Outcome, Risk, Step, ToolCall
from artis_sdk.records.redacted import is_redacted
from artis_sdk.records.same_call import canonical, with_defaults
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.reply import Reply


class EarlierCalls:
    """The real calls of a plan's commit before it was interrupted, with their outcomes.

    Args:
        plan: id of the plan.
        calls: the plan's journaled calls, all settled, in the order in which they began.
        answers: whether the agent makes its calls again and gets their replies; False if it sees the steps
            instead. Calls within a tool's body that runs again get their replies in both cases.

    Raises:
        CommitRefused: an agent cannot see a call, because the journal has it without its secrets, or the
            person who settled it did not know its return value.
    """

    def __init__(self, plan: str, calls: Sequence[JournaledCall], *, answers: bool) -> None:
        self._plan = plan
        ended = [call for call in calls if call.outcome is not None]
        done = {call.seq for call in ended if call.risk is not Risk.READ_ONLY}
        # Calls made within a call that is done belong to its outcome: its body is not run again.
        wanted = [call for call in ended if call.within not in done and not _may_be_read_again(call)]
        for call in wanted:
            _check_whole(plan, call)
        self.calls = [call for call in wanted if call.within is None]
        """The agent's own calls, in the order in which they began."""
        self.changed = any(call.risk is not Risk.READ_ONLY for call in wanted)
        """Whether one of them may have changed the world."""
        self._waiting = [call for call in wanted if answers or call.within is not None]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The agent's calls with their outcomes."""
        return tuple(map(step_of, self.calls))

    def take(self, invocation: Invocation, *, nested: bool) -> tuple[JournaledCall, Reply] | None:
        """The earlier call that an agent makes again, and the reply that it got; each is taken once.

        Calls that changed something are found in any order, so that none is ever repeated; a read-only one
        is found only until a new call is made: the data that it read may have changed by then.

        Args:
            invocation: the present call.
            nested: whether it is made in the body of another tool.

        Returns:
            None if this call was not made before: it is for real.

        Raises:
            CommitRefused: the tool can no longer return the journaled outcome.
        """
        made = self._found(invocation, nested=nested)
        if made is None:
            self._waiting = [one for one in self._waiting if one.risk is not Risk.READ_ONLY]
            return None
        self._waiting = [one for one in self._waiting if one is not made and one.within != made.seq]
        return made, self._reply(invocation, made)

    def _found(self, invocation: Invocation, *, nested: bool) -> JournaledCall | None:
        """The first call that is the same as written, or else one that changed something and may be one."""
        tool, arguments = invocation.tool, invocation.call.arguments
        of_tool = [
            made for made in self._waiting if made.tool == tool.name and (made.within is not None) is nested
        ]
        if not of_tool:
            return None
        text = canonical(with_defaults(tool.spec, arguments))
        for made in of_tool:
            if canonical(with_defaults(tool.spec, made.arguments)) == text:
                return made
        changing = (made for made in of_tool if made.risk is not Risk.READ_ONLY)
        return next((made for made in changing if may_be_one(tool, made.arguments, arguments)), None)

    def notes(self) -> tuple[str, ...]:
        """One note that names the agent's earlier calls that it has not made again; empty without any."""
        left = [call for call in self._waiting if call.within is None and call.risk is not Risk.READ_ONLY]
        if not left:
            return ()
        names = ", ".join(f"{call.tool} ({call.id})" for call in left)
        return (f"the resumed agent did not repeat calls that its commit had already made: {names}",)

    def _reply(self, invocation: Invocation, made: JournaledCall) -> Reply:
        assert made.outcome is not None
        try:
            return invocation.tool.reply(made.outcome)
        except SimulationError as error:
            raise CommitRefused(
                self._plan,
                f"its commit cannot be resumed: the journaled outcome of {made.id} cannot be used: {error}",
            ) from error


def step_of(made: JournaledCall) -> Step:
    """A journaled call as a step of the history."""
    assert made.outcome is not None
    return Step(call=ToolCall(tool=made.tool, arguments=made.arguments), outcome=made.outcome)


def _may_be_read_again(call: JournaledCall) -> bool:
    """Whether a call is read-only and journaled without its secrets; reading again changes nothing."""
    return call.risk is Risk.READ_ONLY and _is_redacted(call)


def _check_whole(plan: str, call: JournaledCall) -> None:
    if _is_redacted(call):
        raise CommitRefused(
            plan,
            f"its commit cannot be resumed: the journal keeps {call.tool} ({call.id}) without its secrets, "
            "and an agent must not get placeholders for them; rehearse the remaining work as a new plan",
        )
    if call.settled_by is not None and call.outcome is not None and call.outcome.message is not None:
        raise CommitRefused(
            plan,
            f"its commit cannot be resumed: {call.settled_by} settled {call.tool} ({call.id}) as done "
            "without its return value; rehearse the remaining work as a new plan",
        )


def _is_redacted(call: JournaledCall) -> bool:
    outcome: Outcome | None = call.outcome
    texts = () if outcome is None else (outcome.value, outcome.message, outcome.failure_type)
    return is_redacted(call.arguments) or any(map(is_redacted, texts))
