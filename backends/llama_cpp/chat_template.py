"""Messages and tools to a prompt, through the model's own chat template, and answers back to records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from artis_sdk.backends.hosted.wire import arguments_object
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.backends.tool_formats import TEXT, detect
from artis_sdk.errors import ConfigurationError, RequestRejected
from artis_sdk.records import Message, Request

# llama.cpp's own choice for a model without a template, here without tools.
CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
CHATML_END = "<|im_end|>"
_SPLIT = "\ue000"  # private use: stands in a spelt-out control token until the prompt is tokenized


class ChatTemplate:
    """One model's way to be spoken to.

    Args:
        name: the backend's name, for errors.
        model: the loaded model.
        template: Jinja text; None is ChatML.
        arguments: given to the template beside messages and tools.

    Raises:
        ConfigurationError: the template is no valid Jinja.
    """

    def __init__(self, name: str, model: Model, template: str | None, arguments: Mapping[str, Any]) -> None:
        import jinja2

        self._name = name
        self._model = model
        self._arguments = dict(arguments)
        self.format = detect(template)
        self.stop = () if template else (CHATML_END,)
        try:
            self._template = _environment().from_string(template or CHATML)
        except jinja2.TemplateError as error:
            raise ConfigurationError(f"{name}: the chat template is not valid: {error}") from error
        self._control = [text for text in model.special_texts() if len(text) > 1]
        self._spelt = re.compile("|".join(map(re.escape, self._control)) or r"(?!)")
        split = [text[0] + _SPLIT + text[1:] for text in self._control]
        self._split = re.compile(f"({'|'.join(map(re.escape, split))})" if split else r"((?!))")

    def prompt(self, request: Request) -> list[int]:
        """The request as token ids, ready to be answered.

        Control tokens spelt out in a message (a tool's output may hold `<|im_end|>`) stay text: they
        cannot end the message that they stand in.

        Raises:
            RequestRejected: the template refuses the messages.
        """
        import jinja2

        messages = [self._message(message) for message in request.messages]
        tools = None
        if request.tools and request.tool_choice != "none":
            if self.format is None:
                messages = _with_text_format(messages, TEXT.teach(request.tools))
            else:
                tools = [{"type": "function", "function": tool.document()} for tool in request.tools]
        try:
            text = self._template.render(
                messages=messages,
                tools=tools,
                add_generation_prompt=True,
                bos_token=self._model.special_text("bos"),
                eos_token=self._model.special_text("eos"),
                **self._arguments,
            )
        except (jinja2.TemplateError, ValueError, TypeError, KeyError) as error:
            raise RequestRejected(self._name, f"the chat template refuses the messages: {error}") from error
        return self._tokens(text)

    def _tokens(self, text: str) -> list[int]:
        if _SPLIT not in text:
            return self._model.tokenize(text, special=True)
        ids: list[int] = []
        for piece in self._split.split(text):
            spelt = self._split.fullmatch(piece) is not None
            ids += self._model.tokenize(piece.replace(_SPLIT, "") if spelt else piece, special=not spelt)
        return ids

    def _message(self, message: Message) -> dict[str, Any]:
        wire: dict[str, Any] = {"role": message.role, "content": self._plain(message.content)}
        if message.role == "tool":
            wire["tool_call_id"] = self._id(message.tool_call_id or "")
        if message.tool_calls and self.format is None:
            wire["content"] = self._plain(message.raw or message.content)
        elif message.tool_calls:
            wire["tool_calls"] = [
                {
                    "id": self._id(call.id),
                    "type": "function",
                    "function": {"name": self._plain(call.tool), "arguments": arguments_object(call)},
                }
                for call in message.tool_calls
            ]
        if message.role == "tool" and self.format is None:
            wire["role"] = "user"
        return wire

    def _plain(self, text: str) -> str:
        return self._spelt.sub(lambda found: found[0][0] + _SPLIT + found[0][1:], text)

    def _id(self, id: str) -> str:
        return id if self.format is None else self.format.call_id(id)


def _with_text_format(messages: list[dict[str, Any]], paragraph: str) -> list[dict[str, Any]]:
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{paragraph}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": paragraph}, *messages]


def _environment() -> Any:
    """Jinja as transformers sets it up for chat templates, so that both render the same text."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the assistant's text for training; here it is only text."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **more)


def _refuse(message: str) -> None:
    raise ValueError(message)
