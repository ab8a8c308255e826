"""The session: owns lifetimes and wires the parts, which do the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar
from datetime import datetime
from threading import Lock, get_ident
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, JsonValue

from artis_sdk.commit.approval import as_checked, checked_plan, own_plan, with_bound_words
from artis_sdk.commit.approver import Approver, EditPlan
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import JournaledCall
from artis_sdk.commit.plan import commit, inside_attempt, journal_here
from artis_sdk.commit.recover import UNSET, Recovered, Unset, recover, settle
from artis_sdk.commit.replay import replaying
from artis_sdk.errors import CommitRefused, ConfigurationError
from artis_sdk.keyword_options import takes
from artis_sdk.logs.capture import recording
from artis_sdk.loop.budget import Budget, Emit, ignore
from artis_sdk.loop.lasting import Lasting
from artis_sdk.loop.nested import OuterWorld, commit_inside
from artis_sdk.loop.rehearsal import rehearse
from artis_sdk.loop.whose_code import is_ours
from artis_sdk.records import CommitMode, Message, Plan, Result, new_id
from artis_sdk.session_args import SessionArgs
from artis_sdk.session_checks import check_edit, check_options, check_plan
from artis_sdk.session_events import EventReader, SessionEvents
from artis_sdk.session_log import SESSION
from artis_sdk.session_many import rehearsed
from artis_sdk.session_operations import Operations
from artis_sdk.session_parts import SessionParts, assemble
from artis_sdk.session_recovery import recovered
from artis_sdk.session_state import TurnsByWorld, blind, task_of
from artis_sdk.session_sync import still_open, sync_twin
from artis_sdk.session_tools import with_agents_tools
from artis_sdk.settings import Settings, load_settings
from artis_sdk.tools.world import OUTSIDE, WorldBinding, check_allowed, current, route
from artis_sdk.traces.operations import operation
from artis_sdk.traces.spans import SessionSpan
from artis_sdk.workers import WorkerPool

_committing: ContextVar[frozenset[object]] = ContextVar("artis_sdk_committing", default=frozenset())
"""The commits of sessions that this context is in, or was begun in."""
_ENTERING = Lock()  # threads that share a session enter it one at a time

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
        check_options(args)
        self._args = args
        self.id = new_id()
        self._events = SessionEvents(args.on_event)
        self._settings: Settings | None = None
        self._stack: AsyncExitStack | None = None
        self._thread: int | None = None
        self._closed = False
        self._parts: SessionParts | None = None
        self._turns = TurnsByWorld(tuple(args.conversation), tuple(args.history))
        self._budgets: dict[str, Budget] = {}
        self._operations = Operations()
        self._commits = asyncio.Lock()
        self._commit_now: object = None

    @classmethod
    def from_settings(
        cls, settings: Settings, *, on_event: Emit | None = None, approve: Approver | None = None
    ) -> Self:
        """A session configured by these settings alone, with listener and approver as in `SessionArgs`."""
        session = cls(on_event=on_event, approve=approve)
        session._settings = settings
        return session

    async def __aenter__(self) -> Self:
        if asyncio._get_running_loop() is None:
            raise ConfigurationError(
                "a session runs on asyncio; this event loop is another one, such as trio's: use asyncio.run"
            )
        settings = self._settings if self._settings is not None else load_settings()
        with _ENTERING:
            if self._closed:
                raise ConfigurationError("a session is entered once, in one thread; make a new one")
            if self._stack is not None:
                raise still_open(self._thread)
            self._stack, self._thread = AsyncExitStack(), get_ident()
        self._operations.open()
        try:
            self._args = await with_agents_tools(self._args, settings)
            self._parts = assemble(self._args, settings, self._stack, self.id)
            self._events.open(self._parts.secrets.shown)
        except BaseException:
            self._events.close()
            await self._stack.aclose()
            self._closed = True
            raise
        SESSION.info("session %s is open", self.id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel running operations, wait for their end, and close the parts that the session made."""
        assert self._stack is not None
        try:
            await self._operations.end()
        finally:
            self._parts = None
            try:
                await self._stack.aclose()
            finally:
                self._events.close()
                self._closed = True
            SESSION.info("session %s is closed", self.id)

    def _operation(self, name: str) -> AbstractAsyncContextManager[tuple[SessionParts, SessionSpan]]:
        """Run one rehearsal or commit, which ends at the latest with the session."""
        return self._operations.begun(name, self._opened())

    def _opened(self) -> SessionParts:
        if self._parts is None:
            raise ConfigurationError("use the session inside `async with Session(...) as session:`")
        return self._parts

    # --- the work -----------------------------------------------------------------------------

    @property
    def conversation(self) -> tuple[Message, ...]:
        """Messages of the turns committed so far, oldest first; in an attempt around it, also of its own."""
        return self._turns.here.conversation

    async def rehearse(
        self, task: str, *, expires: float | datetime | None = None, keep_changes: bool | None = None
    ) -> Plan:
        """Attempt a task several times in simulation. Nothing real happens.

        Args:
            task: the user's request, this turn's query.
            expires: how long the plan holds, in seconds from when it is made, or until when, with a time
                zone; no commit begins later. None, the default, for no end.
            keep_changes: whether the plan says what each attempt changed in its world, for who looks at it:
                two more snapshots of the world's state an attempt. By default where there is an approver.

        Raises:
            BackendError: a model cannot be reached.
            FirewallError: the state function made a guarded call.
            ConfigurationError: the session is not open, or lacks a part that the strategy needs; or `expires`
                has passed already, or has no time zone.
            RehearsalStopped: with `on_doubt="stop"`, a call needs a tool that is not trusted.
        """
        lasts = Lasting.of(expires)
        async with self._operation("rehearse") as (parts, span):
            given, turns = self._args.state, self._turns.here
            value = await task_of(task, given, parts, turns.conversation, turns.made.values())
            parts.secrets.learn(value, parts.tools.owners)
            budget = parts.budget(self._events.emit)
            journal, notes = await journal_here(parts.journal)
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
                emit=self._events.emit,
                see=parts.secrets.see,
                application_code=parts.application_code or not is_ours(self._args.on_event or ignore),
                journal=journal,
                notes=(*notes, *blind(parts.simulator, given, value.state)),
                expires=lasts,
                keep_changes=self._args.approve is not None if keep_changes is None else keep_changes,
            )
            self._budgets[plan.id] = budget
            span.result(plan)
            return plan

    def rehearse_many(
        self, tasks: Iterable[str], *, at_once: int = 8, pool: WorkerPool | None = None
    ) -> AsyncIterator[Plan]:
        """Plans of many tasks as they come: `async for plan in session.rehearse_many(tasks)`.

        Args:
            tasks: the tasks; `plan.task.query` is the one of a plan.
            at_once: tasks rehearsed at the same time, by each worker.
            pool: workers, each with a session of these options and its settings; None for this session.

        Raises:
            ConfigurationError, WorkerLost: the options cannot be sent; a task has ended three workers.
        """
        args = self._turns.here.continued(self._args)
        return rehearsed(type(self), args, self.rehearse, tasks, at_once=at_once, pool=pool)

    async def commit(
        self,
        plan: Plan,
        *,
        mode: CommitMode | None = None,
        resume: bool = False,
        secrets: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> Result:
        """Carry a plan's task out once, for real: guided by its recommendation, or held to its calls.

        Inside another session's rehearsed attempt, or in the body of a sandboxed tool, the calls go to
        that attempt: nothing is real, and nothing is journaled. Inside another session's commit they are
        real, in that commit's journal, under this plan, which names the other as its parent.

        Args:
            plan: plan from `rehearse`, of this session or an earlier one; it is committed once.
            mode: how it is committed; by default the session's. A `Result` that ended as `stopped` met a call
                or an outcome that the plan does not foresee; `resume=True` goes on from there, in any mode.
            resume: whether to resume an interrupted commit of this plan, if the outcome of every call
                is known. No call is made again: a model sees them as done; an agent of your own makes its
                calls again and gets its answers from the journal.
            secrets: values that the plan was saved without (`plan.withheld`), by placeholder; not needed in
                the session that made it, nor with `ARTIS_PLAN_KEY`.

        Raises:
            PlanChanged: the plan, a tool or an approval has changed since the plan was made.
            PlanExpired: the plan held until a moment that has passed.
            NotApproved: the approver rejected the plan, or did not answer; or nobody approved it since it was
                edited, or since its approval has ended.
            ConfigurationError: it is no plan, or the session is not open.
            CommitRefused: the plan was committed before, or belongs to another journal; a call's twin in the
                journal has no known outcome; the commit cannot be resumed; this session is committing already
                (a sub-agent needs a session of its own); or secrets of the plan are missing.
            FirewallError: the attempt that this session is part of is over; or real calls are forbidden here
                (`no_real_calls`).
            UnknownOutcome: a call's outcome is not known; no call was made after it.
            JournalError: the journal cannot be written; the call it names was not made.
            LimitReached: before the first real call only.
        """
        check_plan(plan)
        if self._commit_now in _committing.get():
            why = "this session is committing already and would wait for itself; use another session"
            raise CommitRefused(plan.id, why)
        async with self._operation("commit") as (parts, span), self._commits:
            self._commit_now = object()
            token = _committing.set(_committing.get() | {self._commit_now})
            try:
                result = await self._commit(plan, parts, current.get(), mode, resume, secrets)
            finally:
                _committing.reset(token)
                self._commit_now = None
            span.result(result)
            self._turns.here.add(result)
            return result

    async def _commit(
        self,
        plan: Plan,
        parts: SessionParts,
        outer: WorldBinding | None,
        mode: CommitMode | None,
        resume: bool,
        secrets: Mapping[str, JsonValue],
    ) -> Result:
        """Commit in the present context's world: the real one, unless an attempt is running."""
        given, plan = own_plan(plan), own_plan(parts.secrets.restored(plan, secrets))
        parts.secrets.learn(plan.task, parts.tools.owners)
        parent: RealWorld | None = None
        if outer is not None and outer is not OUTSIDE:
            route("Session.commit")
            if outer.inline is not None or not isinstance(outer.world, RealWorld):
                budget = self._budget(plan, parts)
                return await commit_inside(plan, parts.committer, OuterWorld(outer), budget)
            parent = outer.world
        check_allowed("Session.commit")
        given = checked_plan(given, parts.tools, parts.commits.approval_key)
        plan = with_bound_words(as_checked(plan, given), self.conversation)
        journal = parts.journal if parent is None else parent.journal
        terms, plan = await parts.commits.terms(given, plan, mode, parts.agreement(journal))
        world = RealWorld(
            journal,
            plan,
            redact=parts.secrets if parent is None else parent.redact,
            record=recording(parts.log, parts.secrets),
            emit=self._events.emit,
            session=self.id,
            parent=parent,
            terms=terms,
            on_unknown=parts.commits.on_unknown,
            resume=resume,
        )
        actor = replaying(plan, parts.tools) if terms.mode == "replay" else parts.committer
        beside = parts.application_code or not is_ours(self._args.on_event or ignore)
        try:
            return await commit(plan, actor, world, self._budget(plan, parts), application_code=beside)
        finally:
            self._turns.here.add_calls(plan.id, world.calls)

    def _budget(self, plan: Plan, parts: SessionParts) -> Budget:
        return self._budgets.pop(plan.id, None) or parts.budget(self._events.emit, spent=plan.usage)

    async def edit(
        self, plan: Plan, edit: EditPlan, *, secrets: Mapping[str, JsonValue] = MappingProxyType({})
    ) -> Plan:
        """The plan with some of its calls removed or with other arguments, to be approved and committed.

        The edit is journaled under the name that it has. It holds: whoever commits the plan as it was before
        commits the edited one, and no call that was edited out is made. The edited plan needs an approval of
        its own. A plan whose commit has begun is not edited.

        Args:
            plan: plan from `rehearse` or `saved`.
            edit: the edit, with the name of who makes it.
            secrets: as in `commit`.

        Returns:
            The edited plan; of a plan from `saved` again one without secrets.

        Raises:
            ConfigurationError: the edit names nobody, changes nothing, leaves no call, gives arguments that
                do not fit the tool's schema, or takes away a call that gives another one its identifier.
            PlanChanged, PlanExpired: as in `commit`.
            CommitRefused: the plan's commit has begun, or secrets of the plan are missing.
            JournalError: the journal cannot be read or written.
        """
        check_plan(plan)
        check_edit(edit)
        async with self._operation("edit") as (parts, _):
            edited = await parts.edited(plan, edit, secrets)
            return edited if plan.withheld is None else self.saved(edited)

    def saved(self, plan: Plan) -> Plan:
        """The plan as it may be saved, without secrets: write `session.saved(plan).model_dump_json()`.

        With `ARTIS_PLAN_KEY` it holds them encrypted, and can be committed wherever that key is set. Without,
        a commit elsewhere needs them again; `withheld` lists them.
        """
        check_plan(plan)
        return self._opened().secrets.saved(plan)

    def shown(self, record: M) -> M:
        """A record or a part of one without this session's secrets, which the session's own records hold."""
        return self._opened().secrets.shown(record)

    async def run(self, task: str) -> Result:
        """`rehearse`, then `commit`, which first asks the approver, if there is one."""
        with operation(self._opened().tracing, "run", inside_attempt):
            return await self.commit(await self.rehearse(task))

    # From code that is not async. The session opens for each, closes, and keeps the conversation.
    run_sync = sync_twin(run)
    rehearse_sync = sync_twin(rehearse)
    commit_sync = sync_twin(commit)

    def renewed(self) -> Self:
        """The session, which a twin of an async method opens; after it was closed, once more."""
        with _ENTERING:
            if self._closed:
                self._closed, self._stack, self._events = False, None, SessionEvents(self._args.on_event)
                self._operations, self._commits = Operations(), asyncio.Lock()
        return self

    def events(self) -> EventReader:
        """The events from now until the session is closed, without secrets, for `async for` in a task beside
        the run; each reader gets every event. The session may still be unopened."""
        return self._events.reader()

    async def recover(self) -> list[Recovered]:
        """Settle real calls without an outcome by their tools' `reconcile` hooks. None is executed again.
        Inside a rehearsed attempt it is refused (`FirewallError`)."""
        async with self._operation("recover") as (parts, _):
            return await recover(parts.journal, parts.tools, redact=parts.secrets)

    async def settle(
        self, call_id: str, *, done: bool, by: str, why: str, value: JsonValue | Unset = UNSET
    ) -> JournaledCall:
        """Settle by hand a journaled call without a known outcome; see `artis_sdk.commit.settle`."""
        async with self._operation("settle") as (parts, _):
            return await settle(
                parts.journal, call_id, done=done, by=by, why=why, value=value, redact=parts.secrets
            )

    @classmethod
    async def recover_from(cls, settings: Settings) -> list[Recovered]:
        """`recover` with only the journal and the tools of these settings."""
        return await recovered(settings)
