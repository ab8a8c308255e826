"""Messages to an engine's prompt, in which only the chat template's own text becomes control tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from artis_sdk.backends.chat.hf import tokenizer_prompts
from artis_sdk.backends.chat.prompt_text import PromptText
from artis_sdk.backends.chat.prompts import ChatPrompts
from artis_sdk.errors import RequestRejected
from artis_sdk.records.marks import break_up, in_all_texts

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM


class EnginePrompts:
    """The prompts of one engine.

    vLLM parses the messages and renders the chat template; the template is rendered here as well, because
    vLLM's text does not separate data from the template. The tokenizers of Mistral's own library never turn
    data into control tokens. For the few models whose prompt vLLM writes in Python instead of by a chat
    template, the marks of the known families are broken up.

    Args:
        name: the backend's name, for errors.
        llm: the running engine.
        arguments: variables for the chat template beside messages and tools.
    """

    def __init__(self, name: str, llm: AsyncLLM, arguments: Mapping[str, Any]) -> None:
        from vllm.renderers.hf import HfRenderer
        from vllm.utils.mistral import is_mistral_tokenizer

        self._name = name
        self._renderer = llm.renderer
        self._config = llm.model_config
        self._arguments = {"add_generation_prompt": True, **arguments}
        self._by_pieces = is_mistral_tokenizer(self._renderer.tokenizer)
        self._by_template = isinstance(self._renderer, HfRenderer) and not self._by_pieces
        self._known: dict[bool, ChatPrompts] = {}
        self._openings: dict[tuple[bool, str], str] = {}

    async def prompt(self, messages: list[Any], tools: list[dict[str, Any]] | None) -> Any:
        """The prompt for `AsyncLLM.generate`.

        Args:
            messages: messages of the chat completions API.
            tools: tools of the same API; None to offer no tools.

        Raises:
            RequestRejected: the template refuses the messages, or data would forge control tokens.
            ConfigurationError: the template's control tokens cannot be distinguished from data.
        """
        from vllm.renderers import ChatParams

        if not (self._by_pieces or self._by_template):
            messages, tools = in_all_texts(messages, break_up), in_all_texts(tools, break_up)
        prompts = self._prompts(tools) if self._by_template else None
        offered: Any = tools
        if prompts is not None:
            messages, offered = prompts.limits.fitted(messages), tools or prompts.limits.no_tools
        listed = {} if offered is None else {"tools": list(offered)}
        arguments = {**self._arguments, "tokenize": self._by_pieces, **listed}
        parameters = ChatParams(chat_template_kwargs=arguments)
        if prompts is None:
            _, (prompt,) = await self._renderer.render_chat_async([messages], parameters)
            return prompt
        conversation, rendered = await self._renderer.render_messages_async(messages, parameters)
        text = await asyncio.to_thread(prompts.text, conversation, **self._arguments, tools=tools)
        if text != rendered["prompt"]:
            raise RequestRejected(
                self._name,
                "vLLM renders the messages differently from the model's chat template, so data in them "
                "could not be distinguished from control tokens; run `vllm serve` and pass its base_url",
            )
        self._openings[bool(tools), messages[-1]["role"]] = text.own_end()
        return await self._engine_prompt(prompts, text)

    def turn_opening(self, tools: bool, last_role: str) -> str:
        """What the template wrote at the beginning of the model's turn, such as an opened thought.

        Args:
            tools: whether the prompt offered tools.
            last_role: role of its last message.
        """
        return self._openings.get((tools, last_role), "")

    async def _engine_prompt(self, prompts: ChatPrompts, text: PromptText) -> Any:
        from vllm import TextPrompt, TokensPrompt

        renderer, settings = self._renderer, self._renderer.default_chat_tok_params
        pieces: Sequence[TextPrompt] = [TextPrompt(prompt=piece) for piece in prompts.pieces(text)]
        made = await renderer.tokenize_prompts_async(pieces, settings)
        ids = [id for piece in made for id in piece["prompt_token_ids"]]
        prompts.check(text, ids)
        (prompt,) = await renderer.render_cmpl_async([TokensPrompt(prompt_token_ids=ids)], settings)
        return prompt

    def _prompts(self, tools: list[dict[str, Any]] | None) -> ChatPrompts:
        """The chat template; some models have one with tools and one without."""
        from vllm.renderers.hf import resolve_chat_template

        known = self._known.get(bool(tools))
        if known is None:
            tokenizer = self._renderer.tokenizer
            template = resolve_chat_template(tokenizer, None, tools or None, model_config=self._config)
            known = tokenizer_prompts(self._name, tokenizer, template, self._arguments)
            self._known[bool(tools)] = known
        return known
