"""A trained agent as a backend, prompted exactly in the form of its training."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from artis_sdk.errors import BackendClosed, ContextOverflow, RequestRejected
from artis_sdk.records import (
    Capabilities,
    Completion,
    Request,
    Usage,
)
from artis_sdk.trainers.agent.formats import Format, make_format
from artis_sdk.trainers.agent.generate import Ask, Generator
from artis_sdk.trainers.agent.grpo import seed_of
from artis_sdk.trainers.agent.requests import RolloutRequests
from artis_sdk.trainers.agent.run_folder import AgentForm
from artis_sdk.trainers.agent.torch_decoder import TorchDecoder
from artis_sdk.trainers.simulator.model import load_base

_UNSAID = 512  # tokens of a request without max_tokens
_BYTES_PER_TOKEN = 3  # on the long side


class AgentBackend:
    """Runs a trained agent in this process, by transformers.

    A rollout as in training is rebuilt from a request; see `requests.RolloutRequests`. An agent that was
    trained on native calls can be served by any engine as well; one that was trained on tags only by this
    backend.
    It enforces no schema, so another model must judge and summarize a session's attempts.

    Args:
        folder: folder from `artis train agent`, `OUT/agent` or `OUT`.
        base: path of the base model, if it has moved.
    """

    def __init__(self, folder: str | Path, *, base: str | None = None) -> None:
        folder = Path(folder)
        self._folder = folder / "agent" if (folder / "agent").is_dir() else folder
        self._form = AgentForm.read(self._folder)
        self._base = base or self._form.base
        self._window = _window(Path(self._base) if self._form.lora else self._folder)
        self._loaded: tuple[Any, Format, RolloutRequests] | None = None
        self._loading = asyncio.Lock()
        self._asked = 0
        self._closed = False

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return f"agent:{self._folder}"

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`."""
        return Capabilities(
            local=True, native_tools=True, structured_output=False, seed=True, context_window=self._window
        )

    def count_tokens(self, text: str) -> int:
        """Tokens of a text; before the first request an estimate on the long side."""
        if self._loaded is None:
            return -(-len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN)
        return len(self._loaded[1].codec.ids(text))

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """See `Backend.complete`.

        Raises:
            BackendClosed: the backend was closed.
            RequestRejected: the request has no user message, or an option that was not trained.
            ContextOverflow: the request is longer than the model's context.
        """
        if self._closed:
            raise BackendClosed(self.name, "closed")
        if request.schema is not None or request.tool_choice == "required":
            raise RequestRejected(self.name, "a trained agent keeps the form of its training, not a schema")
        async with self._loading:
            if self._loaded is None:
                self._loaded = await asyncio.to_thread(self._load)
        model, form, requests = self._loaded
        codec = form.codec
        specs = {} if request.tool_choice == "none" else {tool.name: tool for tool in request.tools}
        if not any(message.role == "user" for message in request.messages):
            raise RequestRejected(self.name, "the request has no user message")
        context = requests.ids(request.messages, tuple(specs.values()))
        limit = request.max_tokens or _UNSAID
        most = getattr(model.config, "max_position_embeddings", None)
        if most is not None and len(context) + limit > most:
            limit = most - len(context)
        if limit < 1:
            raise ContextOverflow(self.name, f"{len(context)} tokens are more than the model's {most}")

        def ended(ids: Sequence[int]) -> bool:
            return form.read(codec.text(ids), specs, over=False).ended

        decoder = TorchDecoder(
            model,
            pad=codec.tokenizer.pad_token_id,
            ends=codec.ends,
            temperature=1.0 if request.temperature is None else request.temperature,
        )
        self._asked += 1
        seed = seed_of("backend", self._asked) if request.seed is None else request.seed
        async with Generator(decoder) as generator:
            piece = await generator.generate(Ask(context, limit, ended, seed))
        said = codec.text(piece.ids[:-1] if piece.why == "eos" else piece.ids)
        turn = form.read(said, specs, over=piece.why == "eos")
        if on_token is not None:
            on_token(said)
        raw = codec.text(piece.ids)
        requests.remember(raw, turn.calls, piece.ids)
        text = turn.answer if turn.answer is not None else "" if turn.calls else said
        usage = Usage(requests=1, prompt_tokens=len(context), completion_tokens=len(piece.ids))
        finish: Any = "tool_calls" if turn.calls else "length" if piece.why == "limit" else "stop"
        return Completion(
            text=text,
            tool_calls=turn.calls,
            finish_reason=finish,
            usage=usage,
            raw=raw,
            model=self.name,
        )

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        self._closed = True
        self._loaded = None

    def _load(self) -> tuple[Any, Format, RolloutRequests]:
        if self._form.lora:
            from peft import PeftModel

            base, tokenizer = load_base(self._base, "float32")
            model = PeftModel.from_pretrained(base, str(self._folder))
        else:
            model, tokenizer = load_base(str(self._folder), "float32")
        model.eval()
        form = make_format(self._form.format, tokenizer, prompt=self._form.prompt, think=self._form.think)
        return model, form, RolloutRequests(form)


def _window(model: Path) -> int | None:
    """Size of a model's context in tokens; None if its folder does not say."""
    try:
        config = json.loads((model / "config.json").read_bytes())
    except FileNotFoundError:
        return None
    most: int | None = config.get("max_position_embeddings")
    return most
