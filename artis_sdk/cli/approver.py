"""The person at the terminal as the approver of a commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from rich.console import RenderableType

from artis_sdk.cli.ask import Chosen, choose, confirm, tell
from artis_sdk.cli.edit_lines import call_lines, edited_text, plan_lines, read_call_lines, read_plan_lines
from artis_sdk.commit.approver import (
    Answer,
    Approve,
    CallRequest,
    Edit,
    EditPlan,
    OutcomeRequest,
    PlanRequest,
    Reject,
    Request,
    Settle,
)
from artis_sdk.commit.edit import edited
from artis_sdk.errors import ConfigurationError, InvalidArguments
from artis_sdk.prompts import Prompts
from artis_sdk.records import ToolCall
from artis_sdk.records.brief import call_text, outcome_line, step_line
from artis_sdk.tools import Toolset
from artis_sdk.view.live import LiveView
from artis_sdk.view.person import user_name
from artis_sdk.view.plan_rows import unrehearsed
from artis_sdk.view.plan_text import plan_view
from artis_sdk.view.text import plain

WHY = "answered at the terminal"
E = TypeVar("E")


class AtTheTerminal:
    """Asks the person at the terminal; anything but yes, and what they edit, is no.

    Args:
        view: live view that makes room for each question; None without one.
        tools: the session's tools, which edited arguments must fit.
    """

    def __init__(self, view: LiveView | None, tools: Toolset) -> None:
        self._view = view
        self._tools = tools
        self._by = user_name()
        self._approved: str | None = None
        """Digest of the plan that has been approved here already."""

    async def on_plan(self, request: PlanRequest, *made: RenderableType) -> Approve | EditPlan | Reject:
        """Show a plan, and ask.

        Args:
            request: the plan.
            made: what is shown of the calls that are made already.
        """
        how = {"replay": "exactly these calls", "bound": "held to these calls", "guided": "once"}
        plan = request.plan
        first = "Nothing was rehearsed. " if unrehearsed(plan) else ""
        question = f"{first}Carry this out for real, {how[request.mode]}?"

        def read(text: str) -> EditPlan:
            edit = read_plan_lines(plan, text, self._by)
            edited(plan, edit, self._tools, Prompts(), at=time.time())
            return edit

        shown: list[RenderableType] = [*plan_view(plan), *made]
        while (chosen := await self._choose(question, *shown)) == "edit":
            found = await self._edited(plan_lines(plan), read)
            if found is not None:
                return found
            shown = []
        if chosen == "no":
            return Reject(reason=WHY, by=self._by)
        self._approved = plan.digest
        return Approve(by=self._by)

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        no = Reject(reason=WHY, by=self._by)
        if isinstance(request, PlanRequest):
            if self._approved is not None and request.plan.digest == self._approved:
                return Approve(by=self._by)
            return await self.on_plan(request)
        if isinstance(request, CallRequest):
            return await self._on_call(request)
        if isinstance(request, OutcomeRequest):
            return Approve(by=self._by) if await self._confirm("Go on?", *_outcome(request)) else no
        twin = request.twin
        shown = plain(
            f"{twin.tool} {twin.arguments} ({twin.id}), begun {twin.begun_at}, has no known outcome"
        )
        if await self._confirm("Did it take effect?", shown):
            return Settle(done=True, why=WHY, by=self._by)
        if await self._confirm("Is it certain that it did not, and no longer can?"):
            return Settle(done=False, why=WHY, by=self._by)
        return no

    async def _on_call(self, request: CallRequest) -> Approve | Edit | Reject:
        call = request.call

        def read(text: str) -> Edit:
            arguments = read_call_lines(call, text)
            tool = self._tools.get(call.tool)
            if tool is not None:
                tool.parse(ToolCall(tool=call.tool, arguments=arguments))
            return Edit(arguments=arguments, by=self._by)

        shown: list[RenderableType] = list(_call(request))
        while (chosen := await self._choose("Make it?", *shown)) == "edit":
            found = await self._edited(call_lines(call), read)
            if found is not None:
                return found
            shown = []
        return Approve(by=self._by) if chosen == "yes" else Reject(reason=WHY, by=self._by)

    async def _edited(self, text: str, read: Callable[[str], E]) -> E | None:
        """The text as the person edits it, shown until it can be used; None if they leave it."""
        with self._room():
            while True:
                try:
                    new = await edited_text(text)
                    if new is None:
                        return None
                    text = new
                    return read(new)
                except (ConfigurationError, InvalidArguments) as error:
                    tell(str(error))
                if not await confirm("Edit it again?"):
                    return None

    async def _choose(self, question: str, *shown: RenderableType) -> Chosen:
        with self._room():
            return await choose(question, *shown)

    async def _confirm(self, question: str, *shown: RenderableType) -> bool:
        with self._room():
            return await confirm(question, *shown)

    def _room(self) -> AbstractContextManager[object]:
        return nullcontext() if self._view is None else self._view.paused()


def _call(request: CallRequest) -> Iterator[RenderableType]:
    within = ", within another tool" if request.nested else ""
    said = f"{call_text(request.call)}  ({request.risk}{within})"
    yield plain((f"the plan does not foresee this call ({request.kind}): ", "bold red"), said)
    if request.foreseen is not None:
        foreseen = step_line(request.foreseen.call, request.foreseen.prediction)
        yield plain(("it foresees ", "dim"), foreseen)


def _outcome(request: OutcomeRequest) -> Iterator[RenderableType]:
    made = request.made
    yield plain(("the outcome is not the predicted one: ", "bold red"), step_line(made.call, made.outcome))
    if made.predicted is not None:
        yield plain(("predicted was ", "dim"), outcome_line(made.expected or made.predicted))
