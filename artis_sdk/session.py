"""The session: owns lifetimes and wires the parts, which do the work."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, JsonValue

from artis_sdk.commit.before import NO_JOURNAL, read_unsettled, unsettled_notes
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import JournaledCall
from artis_sdk.commit.plan import commit
from artis_sdk.commit.recover import UNSET, Recovered, Unset, recover, settle
from artis_sdk.errors import CommitRefused, ConfigurationError
from artis_sdk.keyword_options import takes
from artis_sdk.logs import Redactor
from artis_sdk.logs.capture import recording
from artis_sdk.loop.budget import Budget, Emit, ignore
from artis_sdk.loop.callable_actor import RemembersCalls
from artis_sdk.loop.nested import OuterWorld, commit_inside
from artis_sdk.loop.rehearsal import rehearse
from artis_sdk.loop.whose_code import is_ours
from artis_sdk.records import History, Message, Plan, Result, State, Step, Task, new_id
from artis_sdk.session_args import SessionArgs
from artis_sdk.session_parts import SessionParts, assemble, make_tools, open_journal
from artis_sdk.settings import Settings, load_settings
from artis_sdk.tools import Toolset, current_world, running_code
from artis_sdk.tools.world import OUTSIDE, WorldBinding, current, route

_committing: ContextVar[frozenset[str]] = ContextVar("artis_sdk_committing", default=frozenset())
"""Ids of the sessions in whose commits this context is."""

M = TypeVar("M", bound=BaseModel)


class Session:
    """Rehearses tasks in simulation and commits them, each once, for real.

    Omitted options come from `ARTIS_*` variables, then from `artis.toml`. Several turns of one session
    keep the conversation. Backends, journal and log that the session makes from names are closed with
    it; objects passed to it stay open.

    `SessionArgs` documents each option; pass them by name:
    `Session(agent="openai:gpt-5-mini", tools=tools, simulator="sandbox")`.
    """

    @takes(SessionArgs)
    def __init__(self, args: SessionArgs) -> None:
        self._args = args
        self.id = new_id()
        self._emit: Emit = ignore
        self._settings: Settings | None = None
        self._stack: AsyncExitStack | None = None
        self._parts: SessionParts | None = None
        self._conversation: tuple[Message, ...] = ()
        self._committed: History = ()
        self._budgets: dict[str, Budget] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._commits = asyncio.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, *, on_event: Emit | None = None) -> Self:
        """A session configured by these settings alone."""
        session = cls(on_event=on_event)
        session._settings = settings
        return session

    # --- lifetime -----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._stack is not None:
            raise ConfigurationError("a session is entered once; make a new one")
        settings = self._settings if self._settings is not None else load_settings()
        self._stack = AsyncExitStack()
        try:
            self._parts = assemble(self._args, settings, self._stack)
            if self._args.on_event is not None:
                self._emit = _redacting(self._args.on_event, self._parts)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel running operations, wait for their end, and close the parts that the session made."""
        assert self._stack is not None
        running = self._running - {asyncio.current_task()}
        for task in running:
            task.cancel()
        try:
            await asyncio.gather(*running, return_exceptions=True)
        finally:
            self._parts = None
            await self._stack.aclose()

    @asynccontextmanager
    async def _operation(self) -> AsyncIterator[SessionParts]:
        """Run one rehearsal or commit, which ends at the latest with the session."""
        parts = self._opened()
        task = asyncio.current_task()
        assert task is not None
        first = task not in self._running
        self._running.add(task)
        try:
            yield parts
        finally:
            if first:
                self._running.discard(task)

    def _opened(self) -> SessionParts:
        if self._parts is None:
            raise ConfigurationError("use the session inside `async with Session(...) as session:`")
        return self._parts

    # --- the work -----------------------------------------------------------------------------

    @property
    def conversation(self) -> tuple[Message, ...]:
        """Messages of the turns committed so far, oldest first."""
        return self._conversation

    async def rehearse(self, task: str) -> Plan:
        """Attempt a task several times in simulation. Nothing real happens.

        Args:
            task: the user's request, this turn's query.

        Raises:
            BackendError: a model cannot be reached.
            FirewallError: the state function made a guarded call.
            ConfigurationError: the session is not open, or lacks a part that the strategy needs.
            RehearsalStopped: with `on_doubt="stop"`, a call needs a tool that is not trusted.
        """
        async with self._operation() as parts:
            given = self._args.state
            with running_code("rehearsal", callable(given) and not is_ours(given)):
                state, history = await self._snapshot(parts)
            value = Task(
                query=task,
                conversation=self._conversation,
                tools=parts.tools.specs,
                state=state,
                history=history,
            )
            parts.secrets.learn(value)
            budget = parts.budget(self._emit)
            journal, notes = await _journal_here(parts)
            plan = await rehearse(
                value,
                actor=parts.actor,
                simulator=parts.simulator,
                tools=parts.tools,
                strategy=parts.strategy,
                budget=budget,
                evaluator=parts.evaluator,
                summarizer=parts.summarizer,
                prompts=parts.prompts,
                emit=self._emit,
                application_code=parts.application_code or not is_ours(self._args.on_event or ignore),
                journal=journal,
                notes=notes,
            )
            self._budgets[plan.id] = budget
            return plan

    async def commit(
        self,
        plan: Plan,
        *,
        resume: bool = False,
        secrets: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> Result:
        """Carry a plan's task out once, for real, guided by its recommendation.

        Inside another session's rehearsed attempt, or in the body of a sandboxed tool, the calls go to
        that attempt: nothing is real, and nothing is journaled. Inside another session's commit they are
        real, in that commit's journal, under this plan, which names the other as its parent.

        Args:
            plan: plan from `rehearse`, of this session or an earlier one; it is committed once.
            resume: whether to go on with a commit of this plan that broke off, if the outcome of every call
                is known. No call is made again: a model sees them as done; an agent of your own makes its
                calls again and gets its answers from the journal.
            secrets: values that the plan was saved without (`plan.withheld`), by placeholder; not needed in
                the session that made it, nor with `ARTIS_PLAN_KEY`.

        Raises:
            CommitRefused: the plan was committed before, or belongs to another journal; a call's twin in the
                journal has no known outcome; the commit cannot go on; this session is committing already
                (a sub-agent needs a session of its own); or secrets of the plan are missing.
            FirewallError: the attempt that this session is part of is over.
            UnknownOutcome: a call's outcome is not known; no call was made after it.
            JournalError: the journal cannot be written; the call it names was not made.
            LimitReached: before the first real call only.
        """
        if self.id in _committing.get():
            raise CommitRefused(
                plan.id,
                "this session is committing already and would wait for itself; use another session",
            )
        async with self._operation() as parts, self._commits:
            token = _committing.set(_committing.get() | {self.id})
            try:
                result = await self._commit(plan, parts, current.get(), resume, secrets)
            finally:
                _committing.reset(token)
            answer = () if result.messages else (Message(role="assistant", content=result.answer or ""),)
            query = Message(role="user", content=plan.task.query)
            self._conversation = (*plan.task.conversation, query, *result.messages, *answer)
            self._committed += tuple(Step(call=made.call, outcome=made.outcome) for made in result.calls)
            return result

    async def _commit(
        self,
        plan: Plan,
        parts: SessionParts,
        outer: WorldBinding | None,
        resume: bool,
        secrets: Mapping[str, JsonValue],
    ) -> Result:
        """Commit in the present context's world: the real one, unless an attempt goes on."""
        plan = parts.secrets.restored(plan, secrets)
        parts.secrets.learn(plan.task)
        budget = self._budgets.pop(plan.id, None) or parts.budget(self._emit, spent=plan.usage)
        parent: RealWorld | None = None
        if outer is not None and outer is not OUTSIDE:
            route("Session.commit")
            if outer.inline is not None or not isinstance(outer.world, RealWorld):
                return await commit_inside(plan, parts.committer, OuterWorld(outer), budget)
            parent = outer.world
        world = RealWorld(
            parts.journal if parent is None else parent.journal,
            plan,
            redact=parts.secrets if parent is None else parent.redact,
            record=recording(parts.log),
            emit=self._emit,
            session=self.id,
            parent=None if parent is None else parent.plan,
            on_unknown=parts.on_unknown,
            resume=resume,
        )
        beside = parts.application_code or not is_ours(self._args.on_event or ignore)
        return await commit(plan, parts.committer, world, budget, application_code=beside)

    def saved(self, plan: Plan) -> Plan:
        """The plan as it may be saved, without secrets: write `session.saved(plan).model_dump_json()`.

        With `ARTIS_PLAN_KEY` it holds them encrypted, and can be committed wherever that key is set. Without,
        a commit elsewhere needs them again; `withheld` lists them.
        """
        return self._opened().secrets.saved(plan)

    def shown(self, record: M) -> M:
        """A plan, a result, an event, or a part of one, as it may be shown: without this session's secrets.

        Records that the session returns hold them: a result has the real values.
        """
        return self._opened().secrets.shown(record)

    async def run(self, task: str) -> Result:
        """`rehearse`, then `commit`."""
        return await self.commit(await self.rehearse(task))

    async def recover(self) -> list[Recovered]:
        """Settle real calls that began and have no outcome, where their tools can tell.

        Calls the tools' `reconcile` hooks. Nothing is ever executed again.
        """
        async with self._operation() as parts:
            return await recover(parts.journal, parts.tools, redact=parts.secrets)

    async def settle(
        self, call_id: str, *, done: bool, by: str, why: str, value: JsonValue | Unset = UNSET
    ) -> JournaledCall:
        """Settle by hand a journaled call without a known outcome; see `artis_sdk.commit.settle`."""
        async with self._operation() as parts:
            return await settle(
                parts.journal, call_id, done=done, by=by, why=why, value=value, redact=parts.secrets
            )

    @classmethod
    async def recover_from(cls, settings: Settings) -> list[Recovered]:
        """`recover` with only the journal and the tools of these settings."""
        async with AsyncExitStack() as stack:
            tools = Toolset() if settings.tools is None else make_tools(None, settings)
            journal = open_journal(settings, stack)
            return await recover(journal, tools, redact=Redactor())

    async def _snapshot(self, parts: SessionParts) -> tuple[State, History]:
        """The state before this task, and the real calls made since it was taken."""
        given = self._args.state
        made = self._committed + _earlier_in_attempt(parts.tools)
        if callable(given):
            state = given()
            return (await state if inspect.isawaitable(state) else state), _earlier_in_attempt(parts.tools)
        if given is None:
            return parts.tools.state(), _earlier_in_attempt(parts.tools) if parts.tools.owners else made
        return given, made


async def _journal_here(parts: SessionParts) -> tuple[str, tuple[str, ...]]:
    """Name of the journal of this context's commits, and its notes for a plan's reader.

    Inside another session's commit it is that session's journal; inside a rehearsed attempt it is
    `NO_JOURNAL`, and no journal is read: a plan made there is not committed for real.
    """
    outer = current.get()
    journal = parts.journal
    if outer is not None and outer is not OUTSIDE:
        if outer.inline is not None or not isinstance(outer.world, RealWorld):
            return NO_JOURNAL, ()
        journal = outer.world.journal
    return await journal.identity(), unsettled_notes(await read_unsettled(journal))


def _earlier_in_attempt(tools: Toolset) -> History:
    """The calls of these tools in the simulated attempt that this context is part of, for a simulator: the
    real objects do not show them."""
    world = current_world()
    if world is None or isinstance(world, RealWorld) or not isinstance(world, RemembersCalls):
        return ()
    return tuple(step for step in world.history if step.call.tool in tools)


def _redacting(emit: Emit, parts: SessionParts) -> Emit:
    """Events are shown, so they come without secrets."""
    return lambda event: emit(parts.secrets.shown(event))
