"""Token ids from a model: requests that wait together are decoded together."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, NamedTuple, Protocol

Ended = Callable[[Sequence[int]], bool]
"""Whether a turn has ended, by all ids generated for it so far."""


class Piece(NamedTuple):
    """The generated tokens of one request."""

    ids: list[int]
    logprobs: list[float]
    why: Literal["ended", "eos", "limit"]


@dataclass(eq=False, slots=True)
class Ask:
    """One request for the rest of a turn."""

    context: list[int]
    """Token ids of the context."""
    limit: int
    """Maximum number of new tokens."""
    ended: Ended
    seed: int
    """Seed of the draws, so that a rollout does not depend on the rest of its batch; vLLM has its own."""


class Decoder(Protocol):
    """Decodes a batch; blocks."""

    def decode(self, asks: Sequence[Ask]) -> list[Piece]:
        """One piece per request, in order."""


class Generator:
    """Collects requests of concurrent rollouts into batches, which are decoded in a thread.

    A rollout that waits for a tool has no request here, so it delays no other rollout. Use it as
    `async with Generator(decoder) as generator`.

    Args:
        decoder: decoder of one model.
        batch: maximum requests that are decoded together.
    """

    def __init__(self, decoder: Decoder, *, batch: int = 64) -> None:
        self._decoder = decoder
        self._batch = batch
        self._waiting: list[tuple[Ask, asyncio.Future[Piece]]] = []
        self._some = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Generator:
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._worker is not None
        self._worker.cancel()
        with suppress(asyncio.CancelledError):
            await self._worker

    async def generate(self, ask: Ask) -> Piece:
        """The rest of a turn.

        Raises:
            Exception: raised by the decoder, in every request of the batch.
        """
        place: asyncio.Future[Piece] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, place))
        self._some.set()
        return await place

    async def _work(self) -> None:
        while True:
            await self._some.wait()
            await self._settle()
            batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            if not self._waiting:
                self._some.clear()
            batch = [(ask, place) for ask, place in batch if not place.done()]
            if batch:
                await self._decode(batch)

    async def _settle(self) -> None:
        """Let running rollouts reach their next request or their tool, so that they join the batch."""
        seen = -1
        while seen < len(self._waiting) < self._batch:
            seen = len(self._waiting)
            for _ in range(8):
                await asyncio.sleep(0)

    async def _decode(self, batch: list[tuple[Ask, asyncio.Future[Piece]]]) -> None:
        try:
            pieces = await asyncio.to_thread(self._decoder.decode, [ask for ask, _ in batch])
        except Exception as error:  # noqa: BLE001  raised in every request
            for _, place in batch:
                if not place.done():
                    place.set_exception(error)
            return
        for (_, place), piece in zip(batch, pieces, strict=True):
            if not place.done():
                place.set_result(piece)


@dataclass(frozen=True, slots=True)
class TorchDecoder:
    """A transformers model, with a key-value cache from which finished rows are dropped.

    Args:
        model: a causal language model; peft models too.
        pad: id that fills short rows on the left.
        ends: ids that end a turn.
        temperature: sampling temperature; 0 for greedy decoding.
        check: ids after which `Ask.ended` is called; None for every id.
    """

    model: Any
    _: KW_ONLY
    pad: int
    ends: frozenset[int]
    temperature: float = 1.0
    check: frozenset[int] | None = None

    def decode(self, asks: Sequence[Ask]) -> list[Piece]:
        import torch

        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                return self._decode(asks)
        finally:
            self.model.train(training)

    def _decode(self, asks: Sequence[Ask]) -> list[Piece]:
        import torch
        from transformers import DynamicCache

        device = self.model.device
        width = max(len(ask.context) for ask in asks)
        ids = torch.full((len(asks), width), self.pad, device=device)
        attention = torch.zeros_like(ids)
        for row, ask in enumerate(asks):
            ids[row, width - len(ask.context) :] = torch.tensor(ask.context, device=device)
            attention[row, width - len(ask.context) :] = 1
        draws = [torch.Generator().manual_seed(ask.seed) for ask in asks]
        pieces = [Piece([], [], "limit") for _ in asks]
        rows = list(range(len(asks)))  # index of the request of each row
        cache = DynamicCache(config=self.model.config)
        positions = (attention.cumsum(-1) - 1).clamp(min=0)
        while rows:
            out = self.model(
                input_ids=ids,
                attention_mask=attention,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            chances = torch.log_softmax(out.logits[:, -1].float() / (self.temperature or 1.0), -1)
            chosen = self._choose(chances, [draws[row] for row in rows])
            logprobs = chances.gather(1, chosen[:, None])[:, 0].tolist()
            kept = []
            for place, (row, id, logprob) in enumerate(zip(rows, chosen.tolist(), logprobs, strict=True)):
                pieces[row].ids.append(id)
                pieces[row].logprobs.append(logprob)
                why = self._over(asks[row], pieces[row].ids)
                pieces[row] = pieces[row]._replace(why=why or "limit")
                if why is None:
                    kept.append(place)
            if len(kept) < len(rows):
                rows = [rows[place] for place in kept]
                index = torch.tensor(kept, dtype=torch.long, device=device)
                if rows:
                    cache.batch_select_indices(index)
                chosen, attention, positions = chosen[index], attention[index], positions[index]
            ids = chosen[:, None]
            attention = torch.cat([attention, torch.ones_like(ids)], 1)
            positions = positions[:, -1:] + 1
        return pieces

    def _choose(self, chances: Any, draws: Sequence[Any]) -> Any:
        """One id per row, each by its own draw."""
        import torch

        if not self.temperature:
            return chances.argmax(-1)
        uniform = torch.stack([torch.rand((), generator=draw, dtype=torch.float64) for draw in draws])
        below = chances.double().exp().cumsum(-1)
        target = uniform.to(below.device)[:, None] * below[:, -1:]
        return torch.searchsorted(below, target, right=True)[:, 0].clamp(max=chances.shape[-1] - 1)

    def _over(self, ask: Ask, ids: list[int]) -> Literal["ended", "eos", "limit"] | None:
        if ids[-1] in self.ends:
            return "eos"
        if (self.check is None or ids[-1] in self.check) and ask.ended(ids):
            return "ended"
        return "limit" if len(ids) >= ask.limit else None


class VLLMDecoder:
    """vLLM, as TRL runs it beside the training and updates its weights in each step.

    It draws from the engine's own stream: TRL passes one set of parameters for all prompts, and one seed for
    all would make the rollouts of a group the same.

    Args:
        engine: TRL's `trainer.vllm_generation`.
        ends: ids that end a turn.
        stops: texts at which the engine returns; if the turn has not ended, another request follows.
    """

    def __init__(self, engine: Any, *, ends: frozenset[int], stops: Sequence[str]) -> None:
        self._engine = engine
        self._ends = ends
        self._stops = list(stops)

    def decode(self, asks: Sequence[Ask]) -> list[Piece]:
        pieces = [Piece([], [], "limit") for _ in asks]
        going = list(range(len(asks)))
        while going:
            self._engine.max_completion_length = max(
                1, min(asks[n].limit - len(pieces[n].ids) for n in going)
            )
            self._engine.generation_kwargs = {
                "stop": self._stops,
                "include_stop_str_in_output": True,
                "skip_special_tokens": False,
            }
            prompts = [[*asks[n].context, *pieces[n].ids] for n in going]
            _, ids, logprobs, _ = self._engine.generate(prompts=prompts, images=None, num_generations=1)
            left = []
            for n, more, chances in zip(going, ids, logprobs, strict=True):
                pieces[n].ids.extend(more)
                pieces[n].logprobs.extend(_known(chance[0]) for chance in chances)
                why = self._over(asks[n], pieces[n].ids, bool(more))
                pieces[n] = pieces[n]._replace(why=why or "limit")
                if why is None:
                    left.append(n)
            going = left
        return pieces

    def _over(self, ask: Ask, ids: list[int], some: bool) -> Literal["ended", "eos", "limit"] | None:
        if ids and ids[-1] in self._ends:
            return "eos"
        if ids and ask.ended(ids):
            return "ended"
        return "limit" if len(ids) >= ask.limit or not some else None


def _known(chance: float | None) -> float:
    """vLLM returns None for a token that it could not score; TRL leaves NaN out of its correction."""
    return math.nan if chance is None else chance
