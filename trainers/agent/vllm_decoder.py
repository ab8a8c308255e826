"""vLLM in the training's own process, which decodes requests together, as they come and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from artis_sdk.trainers.agent.generate import Ask, Piece


@dataclass(eq=False, slots=True)
class _Going:
    """A request that has begun."""

    ask: Ask
    piece: Piece = field(default_factory=lambda: Piece([], [], "limit"))


class VLLMDecoder:
    """Decodes by the engine that TRL runs beside the training and updates in each step.

    The engine keeps keys and values of what it has read (its prefix cache), until new weights come: a further
    turn and the others of a group read only what is new.

    Args:
        engine: vLLM's `LLMEngine`.
        ends: ids that end a turn.
        stops: texts at which the engine returns; if the turn has not ended, another request follows.
        temperature: sampling temperature; 0 for greedy decoding.
    """

    def __init__(
        self, engine: Any, *, ends: frozenset[int], stops: Sequence[str], temperature: float
    ) -> None:
        self._engine = engine
        self._ends = ends
        self._stops = list(stops)
        self._temperature = temperature
        self._going: dict[str, _Going] = {}

    def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
        """See `Decoder.step`."""
        for ask in new:
            self._begin(_Going(ask))
        return [done for output in self._engine.step() if (done := self._ended(output)) is not None]

    def close(self) -> None:
        """See `Decoder.close`."""
        self._engine.abort_request(list(self._going))
        self._going.clear()

    def _begin(self, going: _Going) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        ids = going.piece.ids
        sampling = SamplingParams(
            temperature=self._temperature,
            seed=going.ask.seed + len(ids),  # another for the rest of a turn
            max_tokens=going.ask.limit - len(ids),
            logprobs=0,
            stop=self._stops,
            include_stop_str_in_output=True,
            stop_token_ids=sorted(self._ends),
            skip_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        name = uuid4().hex
        self._going[name] = going
        self._engine.add_request(name, {"prompt_token_ids": [*going.ask.context, *ids]}, sampling)

    def _ended(self, output: Any) -> tuple[Ask, Piece] | None:
        """The request of an output, unless it goes on."""
        going = self._going.pop(output.request_id)
        (made,) = output.outputs
        going.piece.ids.extend(made.token_ids)
        going.piece.logprobs.extend(
            chances[id].logprob for id, chances in zip(made.token_ids, made.logprobs, strict=True)
        )
        why = self._over(going.ask, going.piece.ids, some=bool(made.token_ids))
        if why is None:
            self._begin(going)
            return None
        return going.ask, going.piece._replace(why=why)

    def _over(self, ask: Ask, ids: list[int], *, some: bool) -> Literal["ended", "eos", "limit"] | None:
        if ids and ids[-1] in self._ends:
            return "eos"
        if ids and ask.ended(ids):
            return "ended"
        return "limit" if len(ids) >= ask.limit or not some else None
