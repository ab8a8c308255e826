"""The layout of a simulator's prompt, and the prompt itself: the same code for predicting and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from artis_sdk.prompts import Data, Prompts, call_view, encode, encode_lines, encode_step
from artis_sdk.records import History, Message, State, ToolCall, ToolSpec
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.cut import MARK, Cut, cut
from artis_sdk.simulators.look_up import Entry, LookUp
from artis_sdk.simulators.past import HistoryCursor


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
    """Whether to show only the part of the state that the action refers to (`cut.cut`)."""
    look_up: bool = False
    """Whether to repeat beside the action the state entries that its arguments name (`look_up.LookUp`)."""
    thought: bool = False
    """Whether the answer, which must be typed, begins with the reasons for the outcome: for models that
    compare and calculate better in writing."""
    max_characters: int | None = Field(default=None, gt=0)
    """Maximum characters of tool documents (if printed), state, history, action and looked-up entries; state
    and history are cut to fit. None for no limit."""

    @model_validator(mode="after")
    def _thoughts_are_typed(self) -> Self:
        if self.thought and self.typed is False:
            raise ValueError("thought=True needs the typed answer: leave typed=False out")
        return self

    @property
    def cuts(self) -> bool:
        return self.focus or self.max_characters is not None


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
    """

    def __init__(
        self, prompts: Prompts, specs: Mapping[str, ToolSpec], form: PromptForm, *, typed: bool
    ) -> None:
        self._prompts = prompts
        self._specs = specs
        self._form = form
        system = prompts.render("simulator_system", typed=typed, thought=form.thought)
        self._system = Message(role="system", content=system)
        # Documents that the template does not print take no room from state and history.
        self._documented = prompts.shows("simulator_user", "tool_documents")
        self._all = encode([spec.document() for spec in specs.values()])
        self._state: tuple[State, Data] | None = None
        self._entries: tuple[State, LookUp] | None = None
        self._past = HistoryCursor()
        self._history = Data()

    def prompt(self, calls: Sequence[ToolCall], state: State, history: History) -> Prompt:
        """The messages for one action: appendix F's fields."""
        documents = self._documents(calls)
        action = encode([call_view(call) for call in calls])
        looked_up = encode_lines(self._looked_up(calls, state)) if self._form.look_up else None
        left = None
        if self._form.cuts:
            limit = self._form.max_characters
            shown = sum(map(len, (documents, action, looked_up or "")))
            room = None if limit is None else max(limit - shown, 0)
            left = cut(calls, state, history, room=room, focus=self._form.focus)
            shown_state, shown_history = encode(left.state), _encoded(left)
        else:
            shown_state, shown_history = self._encoded_state(state), self._encoded_history(history)
        user = self._prompts.render(
            "simulator_user",
            tool_documents=documents,
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

    def _looked_up(self, calls: Sequence[ToolCall], state: State) -> list[dict[str, Entry | None]]:
        if self._entries is None or self._entries[0] is not state:
            self._entries = (state, LookUp(state))
        return self._entries[1].of(calls)

    def _encoded_state(self, state: State) -> Data:
        if self._state is None or self._state[0] is not state:
            self._state = (state, encode(state))
        return self._state[1]

    def _encoded_history(self, history: History) -> Data:
        new = self._past.advance(history)
        pieces: list[Any] = [self._history] if new is not None and self._history else []
        pieces += map(encode_step, history if new is None else new)
        self._history = encode_lines(pieces)
        return self._history


def _encoded(left: Cut) -> Data:
    missing: list[Any] = [{MARK: left.steps}] if left.steps else []
    return encode_lines([*missing, *map(encode_step, left.history)])
