"""The layout of a simulator's prompt, and the prompt itself: the same code for predicting and training."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from artis_sdk.contracts import Tool
from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Data, Prompts, call_view, encode, encode_lines, encode_step
from artis_sdk.records import History, Message, State, ToolCall, ToolSpec
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.cut import Cut, Cutter
from artis_sdk.simulators.entries import MARK
from artis_sdk.simulators.past import HistoryCursor
from artis_sdk.simulators.source_notes import SourceNotes
from artis_sdk.simulators.state_view import StateViews


class PromptForm(BaseModel):
    """The contents of a simulator's prompt. A trained simulator keeps the form that it was trained in."""

    model_config = FROZEN

    documents: Literal["all", "called"] = "all"
    """Tools whose documents are shown: all, which stay the same through an attempt, or those called."""
    one_call: bool = False
    """One request per call; otherwise one per turn."""
    typed: bool | None = None
    """Whether the answer states success or failure type (`answers.answer_schema`); None for yes if the
    backend can enforce the schema."""
    focus: bool = False
    """Whether to show only the part of the state that the action refers to (`Cutter.cut`)."""
    look_up: bool | None = None
    """Whether to repeat beside the action the state entries that its arguments name (`look_up.LookUp`); None
    for yes with `modes`."""
    thought: bool = False
    """Whether the answer, which must be typed, begins with the reasons for the outcome: for models that
    compare and calculate better in writing."""
    modes: bool = False
    """Whether to show the checks of the tools' source, in the order in which they run, each with the answer
    that it gives, and what a success returns. Needs the tools themselves, not only their documents. `focus`
    then keeps what the checks read."""
    source: bool | Literal["hosted"] = False
    """Whether to show the source of the tools and of the helpers that they reach, 600 tokens a tool. It goes
    to models that run on this machine; `"hosted"` sends it to any backend."""
    max_characters: int | None = Field(default=None, gt=0)
    """Maximum characters of tool documents (if printed), checks, source, state, history, action and
    looked-up entries; state and history are cut to fit. None for no limit."""

    @model_validator(mode="after")
    def _thoughts_are_typed(self) -> Self:
        if self.thought and self.typed is False:
            raise ValueError("thought=True needs the typed answer: leave typed=False out")
        return self

    @property
    def looks_up(self) -> bool:
        """Whether looked-up entries are shown."""
        return self.modes if self.look_up is None else self.look_up

    @property
    def documents_last(self) -> bool:
        """Whether the called tool's document stands behind the history: prompts of a session then begin alike
        up to it. With `focus` the state differs with the call anyway, as what is shown of the source does."""
        return self.documents == "called" and not (self.focus or self.modes or self.source)

    @property
    def cuts(self) -> bool:
        """Whether a prompt may leave out parts of the data."""
        return self.focus or self.max_characters is not None


FORM_PARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "modes": {"modes": True},
    "source": {"source": True},
    "hosted-source": {"source": "hosted"},
    "focus": {"focus": True},
    "look_up": {"look_up": True},
    "thought": {"thought": True},
    "called": {"documents": "called", "one_call": True},
}
"""What `PromptForm` shows, by the names in settings and on the command line."""


def named_form(names: str) -> PromptForm:
    """A form by the names of its parts, such as `modes,source`.

    Raises:
        ConfigurationError: a name is unknown.
    """
    fields: dict[str, Any] = {}
    for name in (part.strip() for part in names.split(",")):
        if name not in FORM_PARTS:
            raise ConfigurationError(f"no prompt form is named {name!r}; choose from {', '.join(FORM_PARTS)}")
        fields |= FORM_PARTS[name]
    return PromptForm(**fields)


class Prompt(NamedTuple):
    """The messages to send, and a record of what was cut from them."""

    messages: tuple[Message, ...]
    cut: Cut | None = None


class Prompter:
    """Writes the prompts of one attempt; what they share is encoded once.

    Args:
        prompts: the templates.
        specs: spec of each tool, by name.
        form: the contents of the prompt.
        typed: whether to request the typed answer.
        tools: the tools themselves, for forms that show their source.
        views: reader of the states, which attempts may share.

    Raises:
        ConfigurationError: the form shows source, and no tool has any or the template does not print it.
    """

    def __init__(
        self,
        prompts: Prompts,
        specs: Mapping[str, ToolSpec],
        form: PromptForm,
        *,
        typed: bool,
        tools: Collection[Tool] = (),
        views: StateViews | None = None,
    ) -> None:
        self._prompts = prompts
        self._specs = specs
        self._form = form
        self._notes = SourceNotes(tools, typed=typed)
        for field, wanted in (("checks", form.modes), ("source", form.source)):
            if wanted:
                self._notes.check("modes=True" if field == "checks" else f"source={form.source!r}")
                if not prompts.shows("simulator_user", field):
                    raise ConfigurationError(
                        f"the template simulator_user does not print {{{{ {field} }}}}, which this form shows"
                    )
        system = prompts.render(
            "simulator_system",
            typed=typed,
            thought=form.thought,
            with_checks=form.modes,
            with_source=bool(form.source),
        )
        self._system = Message(role="system", content=system)
        # Documents that the template does not print take no room from state and history.
        self._documented = prompts.shows("simulator_user", "tool_documents")
        self._all = prompts.documents(tuple(specs.values()))
        self._views = StateViews(views)
        self._cutter = Cutter(self._views)
        self._past = HistoryCursor()
        self._history = Data()

    async def read(self, state: State) -> None:
        """Read a state before its first prompt, a large one off the event loop."""
        if self._form.cuts:
            await self._views.of(state).read()

    def prompt(self, calls: Sequence[ToolCall], state: State, history: History) -> Prompt:
        """The messages for one action: appendix F's fields."""
        documents = self._documents(calls)
        action = encode([call_view(call) for call in calls])
        looked_up = encode_lines(self._views.of(state).look_up.of(calls)) if self._form.looks_up else None
        checks = self._noted(calls, self._notes.modes) if self._form.modes else None
        source = self._noted(calls, self._notes.source) if self._form.source else None
        left = None
        if self._form.cuts:
            limit = self._form.max_characters
            shown = sum(map(len, (documents, action, looked_up or "", checks or "", source or "")))
            room = None if limit is None else max(limit - shown, 0)
            reads = self._reads(calls) if self._form.modes else frozenset()
            left = self._cutter.cut(calls, state, history, room=room, focus=self._form.focus, reads=reads)
            shown_state = self._views.of(state).text if left.state is state else encode(left.state)
            shown_history = self._encoded(left, history)
        else:
            shown_state, shown_history = self._views.of(state).text, self._encoded_history(history)
        user = self._prompts.render(
            "simulator_user",
            tool_documents=documents,
            documents_last=self._form.documents_last,
            checks=checks,
            source=source,
            init_config=shown_state,
            history=shown_history,
            action=action,
            looked_up=looked_up,
        )
        return Prompt((self._system, Message(role="user", content=user)), left)

    def _documents(self, calls: Sequence[ToolCall]) -> Data:
        if not self._documented:
            return Data()
        if self._form.documents == "all":
            return self._all
        called = dict.fromkeys(call.tool for call in calls if call.tool in self._specs)
        return encode([self._specs[name].document() for name in called])

    def _noted(self, calls: Sequence[ToolCall], note: Callable[[str], Data | None]) -> Data:
        """One line a tool: of all of them, or of those called, as the documents."""
        names = self._specs if self._form.documents == "all" else dict.fromkeys(call.tool for call in calls)
        return encode_lines([line for name in names if (line := note(name)) is not None])

    def _reads(self, calls: Sequence[ToolCall]) -> frozenset[str]:
        return frozenset().union(*(self._notes.reads(call.tool) for call in calls))

    def _encoded_history(self, history: History) -> Data:
        new = self._past.advance(history)
        pieces: list[Any] = [self._history] if new is not None and self._history else []
        pieces += map(encode_step, history if new is None else new)
        self._history = encode_lines(pieces)
        return self._history

    def _encoded(self, left: Cut, history: History) -> Data:
        missing: list[Any] = [{MARK: left.steps}] if left.steps else []
        texts = {id(step): seen.text for step, seen in zip(history, self._cutter.steps(history), strict=True)}
        return encode_lines([*missing, *(texts[id(step)] for step in left.history)])
