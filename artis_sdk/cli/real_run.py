"""A task or a saved plan carried out once, for real, after the person has agreed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Final

from pydantic import JsonValue
from rich.console import RenderableType

from artis_sdk.cli.approver import AtTheTerminal
from artis_sdk.cli.ask import secret
from artis_sdk.cli.output import console, errors
from artis_sdk.cli.plan import replace_text, save_plan
from artis_sdk.cli.plan_in_journal import PlanInJournal, look_up, made_lines
from artis_sdk.cli.run_report import print_notes
from artis_sdk.cli.secret_question import secret_question
from artis_sdk.commit.approver import Approve, EditPlan, PlanRequest, Reject
from artis_sdk.records import Plan, Result
from artis_sdk.records.brief import count
from artis_sdk.records.events import Event
from artis_sdk.session import Session
from artis_sdk.session_tools import make_tools
from artis_sdk.settings import Settings
from artis_sdk.view.live import LiveView
from artis_sdk.view.plan_rows import unrehearsed
from artis_sdk.view.text import plain

_WAITING: Final = (
    "interrupted: no further call is made; one that runs is waited for, and Ctrl-C again gives it up: its "
    "outcome is then unknown"
)


class Unrehearsed(Exception):
    """Every attempt of the plan ended early, and nobody is asked whether to act all the same."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.id)
        self.plan = plan


class RealRun:
    """One commit of the command line.

    Args:
        settings: settings of its session.
        file: file of the plan; None for one that nobody wants to keep. It is kept all the same while the
            commit is under way: without it, an interrupted commit could not be resumed.
        resume: whether the plan's interrupted commit is resumed.
        ask: whether the person is asked.
        as_json: whether nothing is shown.
    """

    def __init__(
        self, settings: Settings, file: Path | None, *, resume: bool, ask: bool, as_json: bool
    ) -> None:
        self.settings = settings
        self.file = file
        self.plan: Plan | None = None
        self.committing = False
        """Whether real calls may have been made."""
        self.unseen = False
        """Whether the commit went on without its screen, such as a pipe whose reader has left."""
        self._resume = resume
        self._as_json = as_json
        self._view = LiveView(console)
        room = None if as_json else self._view
        self._approver = AtTheTerminal(room, make_tools(None, settings)) if ask else None

    async def carried_out(self, task: str | None, saved: Plan | None) -> Result | None:
        """Carry out the task, or the saved plan; None if the person says no.

        Raises:
            Unrehearsed: nothing of the plan was rehearsed.
            CommitRefused: the plan is not free.
        """
        before = PlanInJournal()
        if saved is not None:
            before = await look_up(self.settings, saved, resume=self._resume)
            if before.refusal is not None:
                raise before.refusal
        listener = None if self._as_json else self._show
        async with Session.from_settings(self.settings, on_event=listener, approve=self._approver) as session:
            self.plan = saved or await self._rehearsed(session, task or "")
            if unrehearsed(self.plan) and (saved is None or self._approver is None):
                raise Unrehearsed(session.shown(self.plan))
            secrets = await self._agreed(session, tuple(_made_before(self.plan, before)))
            return None if secrets is None else await self._committed(session, secrets)

    def _show(self, event: Event) -> None:
        """Show an event. A screen that is lost ends a rehearsal, and no commit half-way."""
        if self.unseen:
            return
        try:
            self._view.on_event(event)
        except (OSError, SystemExit):  # rich exits where a pipe is closed
            if not self.committing:
                raise
            self.unseen = True

    async def _rehearsed(self, session: Session, task: str) -> Plan:
        kept = self._approver is not None or self.file is not None
        with self._shown():
            plan = await session.rehearse(task, keep_changes=kept)
        if self.file is not None:
            save_plan(session.saved(plan), self.file)
        return plan

    async def _agreed(
        self, session: Session, made: tuple[RenderableType, ...]
    ) -> dict[str, JsonValue] | None:
        """The secrets that the person typed in with their yes; None if they say no."""
        assert self.plan is not None
        if self._approver is None:
            if not self._as_json:
                for line in made:
                    console.print(line)
                print_notes(session.shown(self.plan).notes)
            return {}
        secrets: dict[str, JsonValue] = {}
        while True:
            request = PlanRequest(plan=session.shown(self.plan), mode=self.settings.mode or "bound")
            answer = await _on_plan(self._approver, request, made)
            if isinstance(answer, Reject):
                return None
            secrets = secrets or await _asked_for(self.plan, self.settings)
            if isinstance(answer, Approve):
                return secrets
            self.plan = await session.edit(self.plan, answer, secrets=secrets)
            if self.file is not None:
                replace_text(self.file, session.saved(self.plan).model_dump_json(indent=2))

    async def _committed(self, session: Session, secrets: Mapping[str, JsonValue]) -> Result:
        assert self.plan is not None
        ours = self.file is None
        if self.file is None:
            self.file = Path(f"plan-{self.plan.id[:8]}.json")
            save_plan(session.saved(self.plan), self.file, quiet=True)
        self.committing = True
        with self._shown(), _told_at_ctrl_c():
            result = await session.commit(self.plan, resume=self._resume, secrets=secrets)
        if ours and result.ended == "answer":
            self.file.unlink(missing_ok=True)
        return session.shown(result)

    def _shown(self) -> AbstractContextManager[object]:
        return nullcontext() if self._as_json else self._view


@contextmanager
def _told_at_ctrl_c() -> Iterator[None]:
    """Say at the first Ctrl-C of a commit what is waited for. The second ends the loop between two of its
    steps: raised in the middle of one, as asyncio does it, it could be lost. The third is asyncio's."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield
        return
    loop = asyncio.get_running_loop()

    def tell(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, give_up)
        loop.call_soon_threadsafe(errors.print, _WAITING)  # not in the middle of another line
        before(number, frame)

    def give_up(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        loop.call_soon_threadsafe(_interrupt)

    signal.signal(signal.SIGINT, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _made_before(plan: Plan, found: PlanInJournal) -> Iterator[RenderableType]:
    """What is done already of a commit that is resumed."""
    if not found.calls:
        return
    made = sum(call.outcome is not None for call in found.calls)
    planned = sum(not call.nested for call in plan.foreseen)
    yield plain(("made already: ", "bold"), f"{count(made, 'call')}; the plan foresees {planned}")
    yield from made_lines(found.calls)


async def _asked_for(plan: Plan, settings: Settings) -> dict[str, JsonValue]:
    """The secrets that the plan was saved without, typed in where nobody sees them.

    One that is not typed in stays missing, and the commit is refused by its name.
    """
    if plan.withheld is None or (plan.withheld.sealed is not None and settings.plan_key is not None):
        return {}
    given: dict[str, JsonValue] = {}
    for placeholder in plan.withheld.places:
        value = await secret(secret_question(plan, placeholder))
        if value is None:
            break
        given[placeholder] = value
    return given


async def _on_plan(
    approver: AtTheTerminal, request: PlanRequest, made: tuple[RenderableType, ...]
) -> Approve | EditPlan | Reject:
    try:
        return await approver.on_plan(request, *made)
    except asyncio.CancelledError:
        errors.print("not committed")
        raise
