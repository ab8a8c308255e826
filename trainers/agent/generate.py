"""Token ids from a model: requests that wait together are decoded together."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
    """Decodes requests together; blocks."""

    def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
        """Begin new requests, and go on with those begun earlier, by at least a token.

        Returns:
            The requests that ended, with their tokens.
        """


class Generator:
    """Decodes the requests of concurrent rollouts together, in a thread.

    A request that ended makes room for the next at once. A rollout that waits for a tool has no request here,
    so it delays no other rollout. Use it as `async with Generator(decoder) as generator`.

    Args:
        decoder: decoder of one model.
        batch: maximum requests that are decoded together.
    """

    def __init__(self, decoder: Decoder, *, batch: int = 64) -> None:
        self._decoder = decoder
        self._batch = batch
        self._waiting: list[tuple[Ask, asyncio.Future[Piece]]] = []
        self._going: dict[Ask, asyncio.Future[Piece]] = {}
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
            Exception: raised by the decoder, in every request that it decodes.
        """
        place: asyncio.Future[Piece] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, place))
        self._some.set()
        return await place

    async def _work(self) -> None:
        while True:
            if not self._going and not self._waiting:
                self._some.clear()
                await self._some.wait()
            await self._settle()
            await self._step(self._admitted())

    async def _settle(self) -> None:
        """Let running rollouts reach their next request or their tool, so that they join the batch."""
        seen = -1
        while seen < len(self._waiting) < self._batch:
            seen = len(self._waiting)
            for _ in range(8):
                await asyncio.sleep(0)

    def _admitted(self) -> list[Ask]:
        """The requests for which there is room now."""
        self._waiting = [(ask, place) for ask, place in self._waiting if not place.done()]
        room = max(self._batch - len(self._going), 0)
        new, self._waiting = self._waiting[:room], self._waiting[room:]
        self._going.update(new)
        return [ask for ask, _ in new]

    async def _step(self, new: list[Ask]) -> None:
        if not self._going:
            return
        try:
            ended = await asyncio.to_thread(self._decoder.step, new)
        except Exception as error:  # noqa: BLE001  raised in every request
            for place in self._going.values():
                if not place.done():
                    place.set_exception(error)
            self._going.clear()
            return
        for ask, piece in ended:
            place = self._going.pop(ask)
            if not place.done():
                place.set_result(piece)


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

    def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
        """The engine decodes them to their ends, the slowest included."""
        return list(zip(new, self._decoded(new), strict=True))

    def _decoded(self, asks: Sequence[Ask]) -> list[Piece]:
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
