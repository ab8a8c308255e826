"""Token ids from a model: requests that wait together are decoded together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

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
    """Seed of the draws, so that a rollout does not depend on the rest of its batch."""


class Decoder(Protocol):
    """Decodes requests together; blocks."""

    def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
        """Begin new requests, and go on with those begun earlier, by at least a token.

        Returns:
            The requests that ended, with their tokens.
        """

    def close(self) -> None:
        """Forget the requests that have not ended."""


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
        self._closed = False
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Generator:
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Wait for the decoder's step, so that nothing uses the model behind the block."""
        assert self._worker is not None
        self._closed = True
        self._some.set()
        await self._worker
        self._decoder.close()

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
        while not self._closed:
            if self._going or self._waiting:
                await self._settle()
                await self._step(self._admitted())
            else:
                self._some.clear()
                await self._some.wait()

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
