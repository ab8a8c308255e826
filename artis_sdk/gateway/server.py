"""The gateway as an MCP server: the tools of the servers behind it, and three of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp import types
from mcp.server import Server, ServerRequestContext

from artis_sdk.commit.journal.queries import read
from artis_sdk.errors import ArtisError, BackendError, CommitRefused, InvalidArguments, LimitReached
from artis_sdk.gateway import told
from artis_sdk.gateway.elicit import can_elicit, elicited
from artis_sdk.gateway.holding import Held, Holding
from artis_sdk.gateway.own_tools import (
    COMMIT,
    OWN_TOOLS,
    PLAN_SHOW,
    REHEARSE,
    CommitRequest,
    PlanShowRequest,
    RehearseRequest,
    read_request,
)
from artis_sdk.gateway.pass_through import PassThrough
from artis_sdk.gateway.plans import Planner, made_up
from artis_sdk.gateway.upstream import Upstream
from artis_sdk.integrations.mcp import result_of
from artis_sdk.records import Risk, ToolCall
from artis_sdk.records.brief import call_line

_INSTRUCTIONS = """\
The tools of several MCP servers, behind a gateway. Calls that only read are made at once. A call that may \
change something is held until a person approved it; then it is made once. Rehearse first: `rehearse` takes \
the calls that you intend, in their order, and tells what each would probably answer, without making any. \
Then `commit` carries out exactly those calls, once the person approved the plan. A call that was held and \
not made yet may be made again with the same arguments, or committed by its plan id. A call whose outcome is \
unknown may have been made: tell the person, and do not make it another way."""

Answer: TypeAlias = types.CallToolResult | types.InputRequiredResult


@dataclass(frozen=True, slots=True)
class Gateway:
    """Answers the requests of MCP clients.

    Args:
        upstream: tools of the servers behind it.
        planner: makes and commits plans.
        holding: plans that wait for a person.
        elicits: whether a person may answer through a client that has elicitation; else only on the page.
        wait: seconds for which a request waits for an answer on the page before it says that it is held.
    """

    upstream: Upstream
    planner: Planner
    holding: Holding
    elicits: bool
    wait: float

    def server(self, version: str = "") -> Server[Any]:
        """The server of this gateway, for any transport.

        Args:
            version: version that clients are told.
        """
        return Server(
            "artis-gateway",
            version=version,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            **PassThrough(self.upstream.links).handlers,
        )

    async def _list(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[*self.upstream.offered, *OWN_TOOLS])

    async def _call(self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Answer:
        given = params.arguments or {}
        try:
            if params.name == REHEARSE:
                return await self._rehearse(read_request(RehearseRequest, given))
            if params.name == PLAN_SHOW:
                return await self._show(read_request(PlanShowRequest, given))
            if params.name == COMMIT:
                return await self._commit(read_request(CommitRequest, given).plan_id, ctx, params)
            return await self._direct(ToolCall(tool=params.name, arguments=given), ctx, params)
        except ArtisError as error:
            return result_of(told.failure(error), is_error=True)

    # --- the gateway's own tools --------------------------------------------------------------

    async def _rehearse(self, request: RehearseRequest) -> Answer:
        if request.task is not None:
            plan, shown = await self.planner.rehearsed_task(request.task)
        else:
            calls = [ToolCall(tool=one.tool, arguments=one.arguments) for one in request.calls]
            self._check(calls)
            # Without arguments: what stands in the task is nothing that a simulator made up.
            query = request.why or ", ".join(call.tool for call in calls)
            before = {value for one in self.holding.all for value in made_up(one.plan)}
            plan, shown = await self.planner.rehearsed(calls, query, before)
        held = self.holding.put(Held(plan, shown))
        return told.value(told.plan_value(held))

    async def _show(self, request: PlanShowRequest) -> Answer:
        if request.plan_id is None:
            return told.value({"plans": [told.plan_line(held) for held in self.holding.all]})
        held = self.holding[request.plan_id]
        return (
            await self._from_journal(request.plan_id) if held is None else told.value(told.plan_value(held))
        )

    async def _commit(self, plan_id: str, ctx: Any, params: types.CallToolRequestParams) -> Answer:
        held = self.holding[plan_id]
        if held is None:
            return await self._from_journal(plan_id)
        already = held.commit is not None
        if not already:
            asked = await self._answered(held, ctx, params)
            if asked is not None:
                return asked
        done = await self.holding.once(held, lambda: self.planner.committed(held.plan, held.approve))
        return told.committed(done, already=already)

    async def _from_journal(self, plan_id: str) -> Answer:
        """What the journal has of a plan that this process does not know."""
        journal = self.planner.journal
        calls = await read(journal, lambda: journal.calls(plan=plan_id))
        return result_of(told.journaled(plan_id, calls), is_error=True)

    # --- the tools of the servers -------------------------------------------------------------

    async def _direct(self, call: ToolCall, ctx: Any, params: types.CallToolRequestParams) -> Answer:
        self._check([call])
        if self.upstream.tools[call.tool].risk is Risk.READ_ONLY:
            plan, _ = await self.planner.unrehearsed(call)
            return told.answer_of(await self.planner.committed(plan, None))
        async with self.holding.alone(call):
            held = await self._held(call, params)
            held.is_awaited = True
        try:
            asked = await self._answered(held, ctx, params)
        finally:
            held.is_awaited = False
        if asked is not None:
            return asked
        if held.commit is not None:
            why = "another request makes this call, and it is not made twice; `commit` tells its result"
            raise CommitRefused(held.plan.id, why)
        done = await self.holding.once(held, lambda: self.planner.committed(held.plan, held.approve))
        return told.answer_of(done)

    async def _held(self, call: ToolCall, params: types.CallToolRequestParams) -> Held:
        """The plan of a call that may change something: the one that waits already, or a new one."""
        asked = None if params.request_state is None else self.holding[params.request_state]
        if asked is not None and asked.direct and told.is_of(asked.plan, call):
            return asked
        held = self.holding.same(call)
        if held is not None and held.is_awaited:
            raise CommitRefused(
                held.plan.id, "the same call waits for an answer already; this one is not made"
            )
        if held is not None:
            return held
        try:
            plan, shown = await self.planner.rehearsed([call], call_line(call))
        except (BackendError, LimitReached) as error:
            # A person can approve what no model predicts.
            plan, shown = await self.planner.unrehearsed(call, f"it was not rehearsed: {error}")
        return self.holding.put(Held(plan, shown, direct=True))

    # --- what both need -----------------------------------------------------------------------

    def _check(self, calls: Sequence[ToolCall]) -> None:
        """Refuse what no server could be sent.

        Raises:
            InvalidArguments: a tool does not exist, or its arguments do not fit its schema.
        """
        for call in calls:
            tool = self.upstream.tools.get(call.tool)
            if tool is None:
                raise InvalidArguments(call.tool, "there is no such tool; nothing was done")
            tool.parse(call)

    async def _answered(
        self, held: Held, ctx: Any, params: types.CallToolRequestParams
    ) -> types.InputRequiredResult | types.CallToolResult | None:
        """None once a person approved or rejected a plan; until then the answer to the client.

        Raises:
            CommitRefused: a call of it has a twin without a known outcome; nobody is asked.
        """
        if held.answer is not None:
            return None
        await self.planner.check(held.plan)
        if self.elicits and can_elicit(ctx):
            answer = await elicited(ctx, params, held)
            held.is_asked = True
            if isinstance(answer, types.InputRequiredResult):
                return answer
            if answer is not None:
                held.say(answer)
        else:
            held.is_asked = True
            self.holding.announce(held)
            await self._wait(held)
        if held.answer is not None:
            return None
        self.holding.announce(held)
        return result_of(told.waiting(held), is_error=True)

    async def _wait(self, held: Held) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(held.answered.wait(), self.wait)
