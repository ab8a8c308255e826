"""A live view of a run: the attempts side by side, the verdicts, the recommendation, the real calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from artis_sdk.records import CommittedCall, Outcome, Risk, Role, ToolCall, events
from artis_sdk.records.brief import call_text
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain

_WIDTH = 36  # columns of one attempt
_SHOWN = 8  # calls of one attempt that stay on the screen
_PHASES = {"answer": "committed", "stopped": "stopped"}  # by the ending of a commit


def outcome_text(outcome: Outcome) -> Text:
    """The outcome, green or red; within a frame in one line, printed alone whole."""
    if outcome.ok:
        return plain(f"  → {outcome.text()}", style="green", cut=True)
    reason = outcome.message or outcome.text()
    return plain(f"  ✗ {outcome.type}: {reason}", style="red")


@dataclass
class _AttemptView:
    lines: list[Text] = field(default_factory=list)
    calls: int = 0
    answer: str | None = None
    verdict: bool | None = None
    ended: str = "running"
    waits_for: str | None = "the agent"


class LiveView:
    """Draws a session's events on the console inside its block.

    On a console that is not a terminal it prints one line per event instead of redrawing.
    """

    def __init__(self, console: Screen) -> None:
        self.console = console
        self._title = ""
        self._attempts: dict[int, _AttemptView] = {}
        self._after: list[RenderableType] = []
        self._under_way: dict[str, int] = {}
        """Places in `_after` of the real calls that have begun and not ended, by their ids."""
        self._last_begun: str | None = None
        """The call whose line is the last one printed, if it is."""
        self._began = time.monotonic()
        self._phase = "starting"
        self._waits_for: str | None = None
        """What the run waits for; empty for nothing, None while it is its attempts that wait."""
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self.render)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop drawing inside the block, so that a question can stand on the screen."""
        if not self._live.is_started:
            yield
            return
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def on_event(self, event: events.Event) -> None:
        """Receive one event; pass this as `Session(on_event=...)`."""
        before = len(self._after)
        line = self._take(event)
        if not self.console.is_terminal:
            if line is not None:
                self.console.print(line)
            for item in self._after[before:]:
                self.console.print(item)

    def _take(self, event: events.Event) -> RenderableType | None:
        """Take an event in; returns what it says beside what it adds to `_after`."""
        match event:
            case events.RehearsalStarted():
                self._title = f"{event.task.query}  [{event.strategy}]"
                self._phase, self._began = "rehearsing", time.monotonic()
                return plain(f"task: {self._title}", style="bold")
            case events.AttemptStarted():
                self._attempts[event.attempt] = _AttemptView()
            case events.ModelAnswered(attempt=int(index), role=Role.ACTION) if index in self._attempts:
                self._attempts[index].waits_for = "the simulator"
            case events.CallSimulated():
                view = self._attempts.setdefault(event.attempt, _AttemptView())
                view.calls += 1
                view.waits_for = "the agent"
                view.lines += [plain(call_text(event.call)), outcome_text(event.outcome)]
                return plain(f"attempt {event.attempt + 1}: ", *view.lines[-2:])
            case events.AttemptFinished():
                view = self._attempts.setdefault(event.attempt.index, _AttemptView())
                view.answer, view.ended = event.attempt.answer, event.attempt.ended
                view.waits_for = None
                if event.attempt.error:
                    view.lines.append(plain(event.attempt.error, style="yellow"))
            case events.AttemptEvaluated():
                self._attempts[event.attempt].verdict = event.evaluation.correct
                word = "correct" if event.evaluation.correct else "wrong"
                why = event.evaluation.explanation
                return plain(f"attempt {event.attempt + 1}: judged {word}", f": {why}" if why else "")
            case events.Recommended():
                text = event.recommendation.recommendation
                self._after.append(
                    Panel(plain(text, lines=True), title="recommendation", border_style="cyan")
                )
            case events.RehearsalFinished():
                self._phase, self._waits_for = "rehearsed", ""
                self._after.append(plain(repr(event.plan)[1:-1], style="dim"))
            case events.LimitHit():
                text = f"{event.limit} limit reached ({event.used:g} of {event.allowed:g})"
                self._after.append(plain(text, style="yellow"))
            case events.CommitStarted():
                self._phase, self._waits_for = "committing, for real", "the agent and its tools"
                self._after.append(plain("for real, once:", style="bold"))
            case events.CommitFinished():
                self._phase, self._waits_for = _PHASES.get(event.result.ended, "ended without an answer"), ""
            case events.CallBegun():
                self._under_way[event.journal_id] = len(self._after)
                self._last_begun = event.journal_id
                self._after.append(_begun(event.call, event.risk))
            case events.CallCommitted():
                return self._ended(event.committed)
            case _:
                pass
        return None

    def _ended(self, made: CommittedCall) -> RenderableType | None:
        """Put a call's outcome below its line; returns what a console prints that cannot redraw it."""
        whole = Group(_begun(made.call, made.risk), *_outcome(made))
        place = self._under_way.pop(made.journal_id or "", None)
        is_last, self._last_begun = self._last_begun == made.journal_id, None
        if place is None:
            self._after.append(whole)
            return None
        self._after[place] = whole
        return Group(*_outcome(made)) if is_last else whole

    def render(self) -> RenderableType:
        panels = [self._panel(index, view) for index, view in sorted(self._attempts.items())]
        parts: list[RenderableType] = [plain(self._title, style="bold")]
        if panels:
            parts.append(Columns(panels, padding=(0, 1)))
        return Group(*parts, *self._after, self._status())

    def _status(self) -> Text:
        """The phase, how long it all has taken, and what is being waited for."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        waiting: dict[str, list[str]] = {}
        for index, view in sorted(self._attempts.items()):
            if view.waits_for is not None:
                waiting.setdefault(view.waits_for, []).append(str(index + 1))
        said = [f"{what} (attempt {', '.join(which)})" for what, which in waiting.items()] or [
            "the judge or the summary"
        ]
        if self._waits_for is not None:
            said = [self._waits_for] if self._waits_for else []
        until = f", waiting for {', '.join(said)}" if said else ""
        return plain(f"{self._phase}, {minutes}:{seconds:02}{until}", style="dim")

    def _panel(self, index: int, view: _AttemptView) -> Panel:
        shown = view.lines[-2 * _SHOWN :]
        hidden = view.calls - len(shown) // 2
        lines: list[RenderableType] = [plain(f"… {hidden} calls before", style="dim")] if hidden > 0 else []
        lines += shown
        if view.answer:
            lines.append(plain(view.answer, style="italic", lines=True))
        style, word = {None: ("white", view.ended), True: ("green", "correct"), False: ("red", "wrong")}[
            view.verdict
        ]
        return Panel(
            Group(*lines),
            title=plain(f"attempt {index + 1}"),
            subtitle=plain(word),
            border_style=style,
            width=_WIDTH,
        )


def _begun(call: ToolCall, risk: Risk) -> Text:
    return plain(f"{call_text(call)}   ({risk.value})")


def _outcome(made: CommittedCall) -> list[Text]:
    lines = [outcome_text(made.outcome)]
    if made.diverged and made.predicted is not None:
        lines.append(plain(f"  ≠ predicted {made.predicted.type}: {made.predicted.text()}", style="magenta"))
    return lines
