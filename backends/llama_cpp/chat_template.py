"""Messages and tools to a prompt, through the model's own chat template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artis_sdk.backends.chat import ChatPrompts, ChatTemplate, Vocabulary
from artis_sdk.backends.chat.prompt_text import PromptText
from artis_sdk.backends.hosted.wire import arguments_object
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.backends.tool_formats import ToolCallFormat, detect
from artis_sdk.backends.tool_formats.as_text import text_messages
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
        tool_template: Jinja text for conversations with tools; None for the same one.

    Raises:
        ConfigurationError: the template is invalid Jinja, or its control tokens cannot be distinguished from
            data.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        template: str | None,
        arguments: Mapping[str, Any],
        tool_template: str | None = None,
    ) -> None:
        self.format = detect(tool_template or template)
        self.stop = () if template else (CHATML_END,)
        special = {f"{which}_token": model.special_text(which) for which in ("bos", "eos")}

        def tokenize(text: str) -> list[int]:
            return model.tokenize(text, special=True)

        vocabulary = Vocabulary(model.marks(), tokenize, model.unknown())
        plain = template or ("{{- bos_token }}" if model.adds_bos else "") + CHATML

        def prompts(template: str) -> ChatPrompts:
            return ChatPrompts(name, ChatTemplate(name, template, arguments, special), vocabulary)

        self._prompts = prompts(plain)
        self._tool_prompts = prompts(tool_template) if tool_template else self._prompts
        if not self._tool_prompts.limits.tools:  # it names the format's marks and leaves the tools out
            self.format = None

    def prompt(self, request: Request) -> list[int]:
        """The prompt of a request as token ids; see `text`."""
        return self.tokens(self.text(request))

    def tokens(self, text: PromptText) -> list[int]:
        """A prompt as token ids.

        Raises:
            RequestRejected: data in it would become a control token in spite of everything.
        """
        return self._prompts.tokens(text)

    def text(self, request: Request) -> PromptText:
        """The prompt of a request.

        Only text that the template writes becomes control tokens. The same text elsewhere, such as in a
        tool's output, arguments or description, stays text.

        Raises:
            RequestRejected: the template refuses the messages.
        """
        offered = () if request.tool_choice == "none" else request.tools
        tools = None
        if self.format is None:
            messages = text_messages(request.messages, offered)
        else:
            messages = [self._message(message, self.format) for message in request.messages]
            if offered:
                tools = [{"type": "function", "function": tool.document()} for tool in offered]
        with_tools = tools or any(message["role"] == "tool" for message in messages)
        prompts = self._tool_prompts if with_tools else self._prompts
        return prompts.text(messages, tools=tools, add_generation_prompt=True)

    def _message(self, message: Message, format: ToolCallFormat) -> dict[str, Any]:
        content = format.content(message) if message.role == "assistant" else message.content
        wire: dict[str, Any] = {"role": message.role, "content": content}
        if message.role == "tool":
            wire["tool_call_id"] = format.call_id(message.tool_call_id or "")
        if message.tool_calls and not self._tool_prompts.limits.calls:
            readable = [call for call in message.tool_calls if call.malformed is None]
            wire["content"] = message.raw or f"{content}{format.write(readable) if readable else ''}"
        elif message.tool_calls:
            wire["tool_calls"] = [
                {
                    "id": format.call_id(call.id),
                    "type": "function",
                    "function": {"name": call.tool, "arguments": arguments_object(call)},
                }
                for call in message.tool_calls
            ]
        return wire
