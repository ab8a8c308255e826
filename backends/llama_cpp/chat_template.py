"""Messages and tools to a prompt, through the model's own chat template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artis_sdk.backends.chat import ChatPrompts, ChatTemplate, Vocabulary
from artis_sdk.backends.hosted.wire import arguments_object
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.backends.tool_formats import TEXT, detect
from artis_sdk.records import Message, Request

# llama.cpp's own default for a model without a template, here without tools.
CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
CHATML_END = "<|im_end|>"


class ModelChat:
    """The chat format of one model.

    Args:
        name: the backend's name, for errors.
        model: the loaded model.
        template: Jinja text; None for ChatML.
        arguments: variables for the template beside messages and tools.

    Raises:
        ConfigurationError: the template is invalid Jinja, or its control tokens cannot be told from data.
    """

    def __init__(self, name: str, model: Model, template: str | None, arguments: Mapping[str, Any]) -> None:
        self.format = detect(template)
        self.stop = () if template else (CHATML_END,)
        special = {f"{which}_token": model.special_text(which) for which in ("bos", "eos")}

        def tokenize(text: str) -> list[int]:
            return model.tokenize(text, special=True)

        self._prompts = ChatPrompts(
            name,
            ChatTemplate(name, template or CHATML, arguments, special),
            Vocabulary(model.marks(), tokenize, model.unknown()),
        )

    def prompt(self, request: Request) -> list[int]:
        """The prompt of a request as token ids.

        Only text that the template writes becomes control tokens. The same text elsewhere, such as in a
        tool's output, arguments or description, stays text.

        Raises:
            RequestRejected: the template refuses the messages.
        """
        messages = [self._message(message) for message in request.messages]
        tools = None
        if request.tools and request.tool_choice != "none":
            if self.format is None:
                messages = _with_text_format(messages, TEXT.teach(request.tools))
            else:
                tools = [{"type": "function", "function": tool.document()} for tool in request.tools]
        return self._prompts.tokens(self._prompts.text(messages, tools=tools, add_generation_prompt=True))

    def _message(self, message: Message) -> dict[str, Any]:
        wire: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.role == "tool":
            wire["tool_call_id"] = self._id(message.tool_call_id or "")
        if message.tool_calls and self.format is None:
            wire["content"] = message.raw or message.content
        elif message.tool_calls:
            wire["tool_calls"] = [
                {
                    "id": self._id(call.id),
                    "type": "function",
                    "function": {"name": call.tool, "arguments": arguments_object(call)},
                }
                for call in message.tool_calls
            ]
        if message.role == "tool" and self.format is None:
            wire["role"] = "user"
        return wire

    def _id(self, id: str) -> str:
        return id if self.format is None else self.format.call_id(id)


def _with_text_format(messages: list[dict[str, Any]], paragraph: str) -> list[dict[str, Any]]:
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{paragraph}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": paragraph}, *messages]
