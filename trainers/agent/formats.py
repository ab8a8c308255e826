"""Formats of a rollout in tokens: the paper's tags, or the model's native tool calls."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal, Protocol

from artis_sdk.backends.chat.hf import tokenizer_prompts, tokenizer_vocabulary
from artis_sdk.backends.chat.prompt_text import PromptText, concat, written
from artis_sdk.backends.chat.prompts import ChatPrompts
from artis_sdk.backends.chat.vocabulary import Vocabulary
from artis_sdk.backends.tool_formats import detect, read_answer
from artis_sdk.errors import ConfigurationError, RequestRejected, TrainingError
from artis_sdk.prompts import Prompts, encode
from artis_sdk.records import Outcome, Step, ToolSpec
from artis_sdk.trainers.agent.turns import ANSWER, CALL, OUTPUT, THINK, GeneratedTurn, cut, escape, read_tags
from artis_sdk.trainers.prompt_ids import prompt_ids

FormatName = Literal["tags", "native"]

PROMPT: Final = """\
You solve a task step by step and may use tools.
Think first, inside <think> and </think>. Then either call one tool, by its name as a tag around its \
arguments as a JSON object: <NAME>{"parameter": "value"}</NAME> (a tool with one text parameter takes the \
text itself), or end with the result alone inside <answer> and </answer>. What a tool gives back follows \
inside <output> and </output>; go on from there. Never write <output> yourself.
The tools:
{tools}"""
"""The paper's prompt template (section 2.3) in our words; `{tools}` is one JSON document per line."""

_SAMPLE: Final = "sample answer"


class Format(Protocol):
    """Reads turns, and writes the prompt and the outputs around them."""

    codec: Codec
    """Text to token ids and back, with the model's tokenizer."""
    required: frozenset[str]
    """Kinds of tags that a rollout must have."""
    stops: tuple[str, ...]
    """Texts at which an engine may stop and ask `read`."""

    def prompt(self, query: str, tools: Sequence[ToolSpec]) -> list[int]:
        """Token ids of the prompt."""

    def read(self, text: str, tools: Mapping[str, ToolSpec], *, over: bool) -> GeneratedTurn:
        """Read a turn, complete or not; `over` means that the model itself has ended it."""

    def outputs(self, steps: Sequence[Step], limit: int) -> list[int]:
        """Token ids of the outcomes of a turn's calls, each of at most about `limit` characters."""


class Codec:
    """Text to token ids and back, piece by piece.

    Args:
        tokenizer: tokenizer of the model, by transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @cached_property
    def reserved(self) -> dict[str, int]:
        """Special and added tokens that a tool's output must not become, by text."""
        found = {str(token): int(id) for id, token in self.tokenizer.added_tokens_decoder.items()}
        found |= dict(zip(self.tokenizer.all_special_tokens, self.tokenizer.all_special_ids, strict=True))
        return {text: id for text, id in found.items() if text.strip()}

    @cached_property
    def ends(self) -> frozenset[int]:
        """Ids that end a turn."""
        return frozenset({self.tokenizer.eos_token_id} - {None})

    @cached_property
    def closing(self) -> frozenset[int]:
        """Ids of tokens with a `>` in them: only these can complete a tag."""
        ids = range(len(self.tokenizer))
        return frozenset(id for id in ids if ">" in self.tokenizer.decode([id]))

    def ids(self, text: str) -> list[int]:
        """Token ids of our own text."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def foreign(self, text: str) -> list[int]:
        """Token ids of foreign text, in which nothing is a tag or a special token."""
        forbidden = set(self.reserved.values())
        return [id for id in self.ids(escape(text, self.reserved)) if id not in forbidden]

    def text(self, ids: Sequence[int]) -> str:
        """The text of generated ids, special tokens included."""
        found: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return found

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return tokenizer_vocabulary(self.tokenizer)

    def prompt_ids(self, text: PromptText) -> list[int]:
        """Token ids of a prompt; raises as `prompt_ids.prompt_ids`."""
        return prompt_ids(self.vocabulary, self.tokenizer, [text])[0]

    def chat(self, messages: list[dict[str, Any]], *, tools: Any = None, go_on: bool = True) -> PromptText:
        """Messages by the model's chat template.

        Raises:
            TrainingError: the template refuses them.
        """
        prompts = self._with_tools if tools else self._without_tools
        try:
            return prompts.text(messages, tools=tools, add_generation_prompt=go_on)
        except RequestRejected as error:
            raise TrainingError(f"the chat template refuses a conversation with tools: {error}") from error

    @cached_property
    def _with_tools(self) -> ChatPrompts:
        return self._prompts(self.tokenizer.get_chat_template(tools=[{}]))

    @cached_property
    def _without_tools(self) -> ChatPrompts:
        return self._prompts(self.tokenizer.get_chat_template())

    def _prompts(self, template: str) -> ChatPrompts:
        return tokenizer_prompts(self.tokenizer.name_or_path, self.tokenizer, template)


def filled(prompt: str, **data: str) -> PromptText:
    """A prompt of the developer's, which is own text, with data in the places of `{name}`."""
    names = "|".join(data)
    pieces = re.split(rf"\{{({names})\}}", prompt)  # text, name, text, ...
    return concat([data[piece] if n % 2 else written(piece) for n, piece in enumerate(pieces)])


class Tags:
    """The paper's format: `<think>`, `<TOOL>`, `<output>`, `<answer>`, all in one answer of the model.

    Args:
        codec: codec of the model.
        prompt: system prompt with `{tools}`; with `{query}` in it, the whole prompt as plain text, for a
            model without a chat template.
        think: whether thoughts are required.
    """

    def __init__(self, codec: Codec, *, prompt: str = PROMPT, think: bool = True) -> None:
        self.codec = codec
        self.required = frozenset({ANSWER, THINK} if think else {ANSWER})
        self.stops: tuple[str, ...] = (">",)
        self._prompt = prompt
        if "{query}" not in prompt and not codec.tokenizer.chat_template:
            raise ConfigurationError(
                "the model has no chat template: pass a prompt with {query}, which is then all it sees"
            )

    def prompt(self, query: str, tools: Sequence[ToolSpec]) -> list[int]:
        documents = "\n".join(json.dumps(tool.document(), ensure_ascii=False) for tool in tools)
        if "{query}" in self._prompt:
            return self.codec.prompt_ids(filled(self._prompt, tools=documents, query=query))
        system = filled(self._prompt, tools=documents)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": query}]
        return self.codec.prompt_ids(self.codec.chat(messages))

    def read(self, text: str, tools: Mapping[str, ToolSpec], *, over: bool) -> GeneratedTurn:
        return read_tags(text, tools)

    def outputs(self, steps: Sequence[Step], limit: int) -> list[int]:
        ids: list[int] = []
        for step in steps:
            body = self.codec.foreign(cut(shown(step.outcome), limit))
            ids += [*self.codec.ids(f"<{OUTPUT}>"), *body, *self.codec.ids(f"</{OUTPUT}>")]
        return ids


class Native:
    """The model's own tool calls, by its chat template; a turn may hold several.

    Prompt and outputs are those of a `Session`, so that any engine may serve the agent to a session.

    Args:
        codec: codec of the model.
        system: system prompt; None for a session's, an empty text for no system prompt.

    Raises:
        ConfigurationError: the chat template teaches no known call format.
    """

    def __init__(self, codec: Codec, *, system: str | None = None) -> None:
        found = detect(codec.tokenizer.chat_template)
        if found is None:
            raise ConfigurationError(
                "the model's chat template teaches no tool calls that can be read: use --format tags"
            )
        self.codec = codec
        self.required = frozenset[str]()
        self.stops: tuple[str, ...] = ()
        self._format = found
        if system is None:
            system = Prompts().render("action_system", functions=None)
        self._system = [{"role": "system", "content": system}] if system else []

    def prompt(self, query: str, tools: Sequence[ToolSpec]) -> list[int]:
        listed = [{"type": "function", "function": tool.document()} for tool in tools]
        messages = [*self._system, {"role": "user", "content": query}]
        return self.codec.prompt_ids(self.codec.chat(messages, tools=listed))

    def read(self, text: str, tools: Mapping[str, ToolSpec], *, over: bool) -> GeneratedTurn:
        if not over:
            return GeneratedTurn(text, tidy=False)
        body = text
        for id in self.codec.ends:
            body = body.replace(self.codec.text([id]), "")
        read = read_answer(body, list(tools.values()), self._format)
        forged = "<tool_response>" in body
        tidy = not forged and not read.malformed
        if read.calls:
            return GeneratedTurn(text, read.calls, None, forged, frozenset({CALL}), tidy=tidy)
        unclosed = frozenset({THINK} if read.open_thought else ())
        answer = None if unclosed else _inside(read.text.strip())
        return GeneratedTurn(
            text, (), answer, forged, unclosed or frozenset({ANSWER}), unclosed, tidy and not unclosed
        )

    def outputs(self, steps: Sequence[Step], limit: int) -> list[int]:
        calls = [
            {
                "type": "function",
                "id": step.call.id[:9],
                "function": {"name": step.call.tool, "arguments": step.call.arguments},
            }
            for step in steps
        ]
        # The outputs are inserted as separate tokens, so that no template can join them with its marks.
        holes = [f"{_SAMPLE} {n} of {len(steps)}" for n in range(len(steps))]
        opening = [*self._system, {"role": "user", "content": "x"}]
        said = {"role": "assistant", "content": "", "tool_calls": calls}
        answers = [
            {"role": "tool", "name": step.call.tool, "tool_call_id": step.call.id[:9], "content": hole}
            for step, hole in zip(steps, holes, strict=True)
        ]
        before = self.codec.chat([*opening, said], go_on=False)
        rest = self.codec.chat([*opening, said, *answers])
        if not rest.startswith(before) or any(hole not in rest for hole in holes):
            raise TrainingError("the chat template does not print the outputs of tools after a call")
        left = concat((before[_after_end(before, self.codec) :], rest[len(before) :]))
        ids: list[int] = []
        for step, hole in zip(steps, holes, strict=True):
            at = left.index(hole)
            body = self.codec.foreign(cut(encode(step.outcome.content()), limit))
            ids += [*self.codec.prompt_ids(left[:at]), *body]
            left = left[at + len(hole) :]
        return [*ids, *self.codec.prompt_ids(left)]


def _after_end(text: str, codec: Codec) -> int:
    """Start of the text after the token that ends a turn, which the model wrote itself."""
    places = [
        text.rfind(mark) + len(mark) for mark in map(codec.text, ([id] for id in codec.ends)) if mark in text
    ]
    return max(places, default=len(text))


def _inside(said: str) -> str:
    """The text in the answer's tags, if there are any."""
    _, opened, rest = said.partition(f"<{ANSWER}>")
    return (rest.partition(f"</{ANSWER}>")[0] if opened else said).strip()


def shown(outcome: Outcome) -> str:
    """An outcome as the model sees it: a text unchanged, any other value as JSON."""
    content = outcome.content()
    return content if isinstance(content, str) else outcome.text()


def make_format(name: FormatName, tokenizer: Any, *, prompt: str | None = None, think: bool = True) -> Format:
    """A format by its name.

    Raises:
        ConfigurationError: the model's template does not support the format.
    """
    codec = Codec(tokenizer)
    if name == "native":
        return Native(codec, system=prompt)
    return Tags(codec, prompt=prompt or PROMPT, think=think)
