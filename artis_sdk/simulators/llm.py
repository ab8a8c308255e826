"""A language model as the simulator: equation 7, with the prompt fields of appendix F."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Self

from artis_sdk.contracts import Backend, Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.prompts import Prompts
from artis_sdk.prompts.again import asked_again
from artis_sdk.records import Completion, History, Outcome, Request, Role, State, ToolCall
from artis_sdk.simulators.answers import (
    UnreadableAnswer,
    answer_schema,
    plain_entries,
    plain_outcome,
    typed_entries,
    typed_outcome,
)
from artis_sdk.simulators.form import Prompter, PromptForm
from artis_sdk.simulators.state_view import StateViews
from artis_sdk.simulators.trained import Trained, adapter_digest
from artis_sdk.tools.protocols import CheckedTool, fitting


class LLMSimulator(Simulator):
    """Predicts outcomes with a language model: p(o_t | a_t, s, {(a_i, o_i)}, i < t), equation 7.

    The prompt holds the tool documents, the initial state, the history of actions and returns, and the
    current action; the calls of one turn are predicted by one request. With `structured`, on a backend
    that can enforce a schema, the answer says for each call whether it succeeds or how it fails
    (`answers.answer_schema`). Otherwise the answer is the paper's list of returns between
    `<Output>` tags, and the tool's own `failures=` rules separate failures from successes
    (`answers.plain_outcome`). An answer that cannot be read, or has another number of entries, is
    requested once more and then is a `SimulationError`: no outcome is made up.

    Args:
        backend: the model, or its name, which the Session resolves.
        temperature: 0.01 in the paper.
        top_p: share of the probability that is kept; None for that of the model card, else all.
        prompts: templates `simulator_system` and `simulator_user`; ours by default.
        seed: passed on with every request.
        adapter: name of the LoRA adapter that was trained to simulate these tools.
        max_tokens: maximum tokens of one answer; None for the backend's own limit.
        structured: whether to use the typed form if the backend can enforce it.
        form: contents of the prompt; by default everything.

    Attributes:
        backend: the backend, or its name until it is resolved.
        adapter: what tells the adapter from others: `sha256:` of its weights where they are known, else
            its name at the backend; None without one.
        wrap: wrapper of each attempt's simulator, by which a Session hides its secrets.
    """

    def __init__(
        self,
        backend: Backend | str,
        *,
        temperature: float = 0.01,
        top_p: float | None = None,
        prompts: Prompts | None = None,
        seed: int | None = None,
        adapter: str | None = None,
        max_tokens: int | None = None,
        structured: bool = True,
        form: PromptForm | None = None,
    ) -> None:
        self.backend = backend
        self.prompts = prompts
        self._settings = Request(
            messages=(),
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            adapter=adapter,
            max_tokens=max_tokens,
        )
        self.adapter = adapter
        self._structured = structured
        self.wrap: Callable[[Simulator], Simulator] = lambda attempt: attempt
        self.form = form or PromptForm()
        self._views = StateViews()

    @classmethod
    def trained(
        cls,
        folder: str | os.PathLike[str],
        backend: Backend | str,
        *,
        adapter: str | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
    ) -> Self:
        """A simulator that `artis train simulator` has trained, with the prompt form of its training.

        Args:
            folder: folder of the adapter.
            backend: backend that serves the adapter, or a model that it was merged into; or its name.
            adapter: name of the adapter at the backend; None for a merged model.
            seed, max_tokens: as in `LLMSimulator`.

        Raises:
            ConfigurationError: the folder holds no trained simulator.
        """
        found = Trained.read(folder)
        made = cls(
            backend,
            prompts=found.prompts,
            form=found.form,
            adapter=adapter,
            seed=seed,
            max_tokens=max_tokens,
        )
        made.adapter = adapter_digest(folder) or adapter
        return made

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`. Unforked, it knows no tool documents and reports to no meter."""
        return (await self.predict_turn([call], state, history))[0]

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        """Predict the calls of one turn, in order, by one request."""
        return await self.fork((), _Unmetered()).predict_turn(calls, state, history)

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """See `Simulator.fork`.

        Raises:
            ConfigurationError: the backend is still a name; or the form shows source, which the tools lack
                or which would leave this machine.
        """
        if isinstance(self.backend, str):
            raise ConfigurationError(
                f"LLMSimulator({self.backend!r}) has no backend yet: pass it to a Session, which resolves "
                f"the name, or write LLMSimulator(artis_sdk.resolve({self.backend!r}))"
            )
        if self.form.source is True and not self.backend.capabilities.local:
            raise ConfigurationError(
                f"PromptForm(source=True) would send the source of your tools to {self.backend.name}: write "
                'source="hosted" to allow that'
            )
        typed = self.form.typed
        if typed is None:
            typed = self.form.thought or (self._structured and self.backend.capabilities.structured_output)
        form = self.form.model_copy(update={"typed": typed})
        return self.wrap(
            _Attempt(
                self.backend,
                meter,
                tuple(tools),
                self.prompts or Prompts(),
                self._settings,
                form,
                self._views,
            )
        )


class _Unmetered:
    """The meter of a simulator that is used alone."""

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        return await backend.complete(request)


class _Attempt(Simulator):
    """The simulator of one attempt; the common parts of its prompts are rendered once."""

    def __init__(
        self,
        backend: Backend,
        meter: Meter,
        tools: tuple[Tool, ...],
        prompts: Prompts,
        settings: Request,
        form: PromptForm,
        views: StateViews,
    ) -> None:
        self._backend = backend
        self._meter = meter
        self._tools = {tool.name: tool for tool in fitting(tools, CheckedTool)}  # type: ignore[type-abstract]
        specs = {tool.name: tool.spec for tool in tools}
        self._names = specs.keys()
        self._settings = settings
        self._form = form
        self._typed = bool(form.typed)
        self._held = self._typed and backend.capabilities.structured_output
        self._prompter = Prompter(prompts, specs, form, typed=self._typed, tools=tools, views=views)

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return (await self.predict_turn([call], state, history))[0]

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        if not calls:
            return []
        if self._form.one_call and len(calls) > 1:
            return await super().predict_turn(calls, state, history)
        self._check(calls)
        await self._prompter.read(state)
        request = self._request(calls, state, history)
        completion = await self._meter.complete(self._backend, Role.SIMULATION, request)
        try:
            return self._outcomes(completion, calls)
        except UnreadableAnswer as error:
            again = asked_again(request, completion, str(error), origin=self._backend.name)
        completion = await self._meter.complete(self._backend, Role.SIMULATION, again)
        try:
            return self._outcomes(completion, calls)
        except UnreadableAnswer as error:
            failure = SimulationError(
                calls[0].tool, f"{self._backend.name} gave no usable prediction, twice: {error}"
            )
            failure.answer = completion.raw or completion.text
            raise failure from error

    def _check(self, calls: Sequence[ToolCall]) -> None:
        for call in calls:
            if self._names and call.tool not in self._names:
                raise SimulationError(call.tool, "no tool has this name, so there is nothing to simulate")

    def _request(self, calls: Sequence[ToolCall], state: State, history: History) -> Request:
        return replace(
            self._settings,
            messages=self._prompter.prompt(calls, state, history).messages,
            schema=answer_schema(len(calls), self._form.thought) if self._held else None,
        )

    def _outcomes(self, completion: Completion, calls: Sequence[ToolCall]) -> list[Outcome]:
        if completion.finish_reason == "length":
            raise UnreadableAnswer("it was cut off at the limit of tokens")
        read_entries, read_outcome = (
            (typed_entries, typed_outcome) if self._typed else (plain_entries, plain_outcome)
        )
        raw = completion.raw or completion.text
        entries = read_entries(completion.text, len(calls))
        return [
            read_outcome(entry, self._tools.get(call.tool), raw)
            for entry, call in zip(entries, calls, strict=True)
        ]
