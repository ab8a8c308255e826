"""A transformers model that decodes requests together, as they come and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import torch

from artis_sdk.errors import TrainingError
from artis_sdk.trainers.agent.generate import Ask, Piece
from artis_sdk.trainers.agent.key_values import KeyValues, read

_KEPT: Final = 64  # ended requests whose keys and values are kept for the next turn
_LAYERS: Final = {"full_attention", "sliding_attention"}  # whose state is keys and values of each token


@dataclass(eq=False, slots=True)
class _Going:
    """A request that has begun."""

    ask: Ask
    draw: torch.Generator
    piece: Piece = field(default_factory=lambda: Piece([], [], "limit"))


@dataclass(eq=False, slots=True)
class _Kept:
    """What the model has read of an ended request."""

    ids: list[int]
    states: KeyValues


class TorchDecoder:
    """Decodes one token of every request in a step.

    Requests begin and end in any step. What was read of a request is kept for the next turn of its rollout,
    and for others that begin alike; requests that begin together with the same context read it once.

    Args:
        model: a causal language model in evaluation mode; peft models too. Its weights stay the same.
        pad: id that fills short rows on the left.
        ends: ids that end a turn.
        temperature: sampling temperature; 0 for greedy decoding.
        check: ids after which `Ask.ended` is called; None for every id.

    Raises:
        TrainingError: the model's state is more than keys and values.
    """

    def __init__(
        self,
        model: Any,
        *,
        pad: int,
        ends: frozenset[int],
        temperature: float = 1.0,
        check: frozenset[int] | None = None,
    ) -> None:
        kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or _LAYERS)
        if not kinds <= _LAYERS:
            raise TrainingError(
                f"rollouts of a model with layers of {', '.join(sorted(kinds - _LAYERS))} need --vllm"
            )
        self._model = model
        self._pad, self._ends, self._temperature, self._check = pad, ends, temperature, check
        self._going: list[_Going] = []
        self._states: KeyValues | None = None
        self._kept: list[_Kept] = []
        self.read = 0
        """Number of token positions that the model has computed, padding included."""

    def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
        """See `Decoder.step`."""
        with torch.no_grad():
            logits, parts = list[Any](), list[KeyValues]()
            if self._going:
                last = [[going.piece.ids[-1]] for going in self._going]
                found, states = self._read(last, self._states)
                logits.append(found)
                parts.append(states)
            for group in self._grouped(new):
                found, states = self._begun(group)
                logits.append(found)
                parts.append(states)
                self._going += [_Going(ask, torch.Generator().manual_seed(ask.seed)) for ask in group]
            if not parts:
                return []
            self._states = parts[0] if len(parts) == 1 else KeyValues.joined(parts)
            self._choose(torch.cat(logits))
            return self._ended()

    def close(self) -> None:
        """See `Decoder.close`."""
        self._going, self._states, self._kept = [], None, []

    def _grouped(self, new: Sequence[Ask]) -> list[list[Ask]]:
        """Requests of which much, and of which little, is to be read: read together they would be padded."""
        known, unknown = list[Ask](), list[Ask]()
        for ask in new:
            (known if 2 * self._known(ask.context)[1] > len(ask.context) else unknown).append(ask)
        return [group for group in (unknown, known) if group]

    def _known(self, context: Sequence[int]) -> tuple[_Kept | None, int]:
        """The kept request that begins most like a context, and the number of tokens that it has of it."""
        best, most = None, 0
        for kept in self._kept:
            shared = _shared(kept.ids, context)
            if shared > most:
                best, most = kept, shared
        return best, min(most, len(context) - 1)

    def _begun(self, asks: Sequence[Ask]) -> tuple[Any, KeyValues]:
        """Read the contexts of requests, each once."""
        contexts = list(dict.fromkeys(tuple(ask.context) for ask in asks))
        numbers = [contexts.index(tuple(ask.context)) for ask in asks]
        known = [self._known(context) for context in contexts]
        # All read as many tokens, and those of which more is known some of that again: no row has a gap.
        chunk = max(len(context) - most for context, (_, most) in zip(contexts, known, strict=True))
        before = [max(len(context) - chunk, 0) for context in contexts]
        some = next((kept for kept, _ in known if kept), None)
        past = None
        if some is not None and any(before):
            kept_states = [(kept or some).states for kept, _ in known]
            parts = [states.beginning(0, n) for states, n in zip(kept_states, before, strict=True)]
            past = KeyValues.joined(parts)
        self._kept = [kept for kept in self._kept if not _continued(kept, contexts)]
        logits, states = self._read([context[-chunk:] for context in contexts], past)
        return logits[numbers], states.rows(numbers)

    def _read(self, ids: Sequence[Sequence[int]], past: KeyValues | None) -> tuple[Any, KeyValues]:
        self.read += len(ids) * max(map(len, ids))
        return read(self._model, ids, past, pad=self._pad)

    def _choose(self, logits: Any) -> None:
        """One id for each request, by its own draw."""
        chances = torch.log_softmax(logits.float() / (self._temperature or 1.0), -1)
        if self._temperature:
            draws = [torch.rand((), generator=going.draw, dtype=torch.float64) for going in self._going]
            below = chances.double().exp().cumsum(-1)
            target = torch.stack(draws).to(below.device)[:, None] * below[:, -1:]
            chosen = torch.searchsorted(below, target, right=True)[:, 0].clamp(max=chances.shape[-1] - 1)
        else:
            chosen = chances.argmax(-1)
        logprobs = chances.gather(1, chosen[:, None])[:, 0].tolist()
        for going, id, logprob in zip(self._going, chosen.tolist(), logprobs, strict=True):
            going.piece.ids.append(id)
            going.piece.logprobs.append(logprob)

    def _ended(self) -> list[tuple[Ask, Piece]]:
        """Take the requests out that have ended, and keep what was read of them."""
        assert self._states is not None
        found, left = list[tuple[Ask, Piece]](), list[int]()
        for number, going in enumerate(self._going):
            why = self._over(going.ask, going.piece.ids)
            if why is None:
                left.append(number)
                continue
            found.append((going.ask, going.piece._replace(why=why)))
            ids = [*going.ask.context, *going.piece.ids[:-1]]
            self._kept.append(_Kept(ids, self._states.beginning(number, len(ids))))
        self._kept = self._kept[-_KEPT:]
        if found:
            self._going = [self._going[number] for number in left]
            self._states = self._states.rows(left) if left else None
        return found

    def _over(self, ask: Ask, ids: list[int]) -> Literal["ended", "eos", "limit"] | None:
        if ids[-1] in self._ends:
            return "eos"
        if (self._check is None or ids[-1] in self._check) and ask.ended(ids):
            return "ended"
        return "limit" if len(ids) >= ask.limit else None


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of ids at the start of both."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if list(one[:middle]) == list(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _continued(kept: _Kept, contexts: Sequence[Sequence[int]]) -> bool:
    """Whether one of the contexts goes on where a request ended."""
    return any(list(context[: len(kept.ids)]) == kept.ids for context in contexts)
