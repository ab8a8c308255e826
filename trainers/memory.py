"""The memory that a training takes, told before it begins.

Bytes = weights + trained + the largest pass, where

- weights: parameters of the base, in their type;
- trained: parameters that are trained, 12 bytes each (float32 gradient and two moments), and 4 more for an
  adapter's weights;
- a pass: layers * (token bytes * tokens + 2 * a * heads * head size * (path tokens - tokens)) + head, with
  token bytes = a * (7 hidden + 6 heads * head size + 5 intermediate), a = bytes of the type of the
  activations. With gradient checkpointing: layers * a * hidden * tokens, and one layer as above;
- path tokens: tokens of the pass's rows, shared ones counted for each row: attention holds their keys and
  values so;
- head: labels * vocabulary * 16 bytes on a processor; on a GPU TRL's head holds no logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from artis_sdk.trainers.precision import Chosen

if TYPE_CHECKING:  # it needs numpy, and a training's options do not
    from artis_sdk.trainers.token_tree import Pass

_GIB: Final = 2**30
_TRAINED: Final = 12
_LOGIT: Final = 16


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Sizes of a model that decide what its training takes."""

    parameters: int
    weights: int
    """Bytes of the weights."""
    layers: int
    hidden: int
    inner: int
    """Width of the layers' inner part."""
    attention: int
    """Heads times head size."""
    vocabulary: int
    linear: int
    """Sum of inputs and outputs of the linear layers, the head left out: an adapter's weights per rank."""

    @classmethod
    def of(cls, model: Any) -> Self:
        """Sizes of a causal language model of transformers, without adapters."""
        config = model.config.get_text_config()
        heads, hidden = config.num_attention_heads, config.hidden_size
        head = model.get_output_embeddings()
        linear = [m for m in model.modules() if hasattr(m, "in_features") and m is not head]
        return cls(
            parameters=model.num_parameters(),
            weights=sum(p.numel() * p.element_size() for p in model.parameters()),
            layers=config.num_hidden_layers,
            hidden=hidden,
            inner=getattr(config, "intermediate_size", None) or 4 * hidden,
            attention=heads * (getattr(config, "head_dim", None) or hidden // heads),
            vocabulary=config.vocab_size,
            linear=sum(m.in_features + m.out_features for m in linear),
        )


@dataclass(frozen=True, slots=True)
class PassSize:
    """Sizes of a forward pass in tokens."""

    tokens: int
    path_tokens: int
    labels: int

    @classmethod
    def of(cls, one: Pass) -> Self:
        """Sizes of a pass."""
        return cls(len(one.ids), sum(map(len, one.paths)), len(one.labels))


def training_bytes(
    model: ModelSize,
    passes: Iterable[PassSize],
    *,
    precision: Chosen,
    rank: int | None,
    checkpointing: bool,
    cpu: bool,
) -> int:
    """Bytes that a training takes in each process.

    Left out: the libraries, and freed blocks that a processor's allocator keeps, which can be as much again.

    Args:
        model: sizes of the model.
        passes: sizes of some passes, of which the largest counts.
        precision: number type of the activations.
        rank: rank of the adapter; None if all weights are trained.
        checkpointing: whether activations are computed again in the backward pass.
        cpu: whether on a processor.
    """
    trained = model.parameters * _TRAINED if rank is None else rank * model.linear * (_TRAINED + 4)
    size = 4 if precision == "fp32" else 2
    token = size * (7 * model.hidden + 6 * model.attention + 5 * model.inner)

    def taken(one: PassSize) -> int:
        layer = token * one.tokens + 2 * size * model.attention * (one.path_tokens - one.tokens)
        kept = model.layers * size * model.hidden * one.tokens
        head = one.labels * model.vocabulary * _LOGIT if cpu else 0
        return (kept + layer if checkpointing else model.layers * layer) + head

    return model.weights + trained + max(map(taken, passes), default=0)


def free_bytes(*, cpu: bool) -> int:
    """Bytes of the device that are free now."""
    if cpu:
        import psutil

        return int(psutil.virtual_memory().available)
    import torch

    return int(torch.cuda.mem_get_info()[0])


class MemoryPlan(NamedTuple):
    """What a run takes, and how it keeps within what there is."""

    checkpointing: bool
    """Whether activations are computed again in the backward pass."""
    sentence: str


def plan_memory(
    model: Any,
    passes: Sequence[PassSize],
    *,
    precision: Chosen,
    rank: int | None,
    checkpointing: bool | None,
    cpu: bool,
) -> MemoryPlan:
    """Choose gradient checkpointing where the memory that is free does not suffice without.

    Args:
        model: the base, on the device of the training.
        passes: sizes of some passes, of which the largest counts.
        precision: number type of the activations.
        rank: rank of the adapter; None if all weights are trained.
        checkpointing: the caller's choice; None to choose here.
        cpu: whether to train on the CPU.
    """
    size = ModelSize.of(model)
    free = free_bytes(cpu=cpu) + size.weights  # which are loaded already
    needed = {
        again: training_bytes(size, passes, precision=precision, rank=rank, checkpointing=again, cpu=cpu)
        for again in (False, True)
    }
    again = needed[False] > free if checkpointing is None else checkpointing
    tokens = max((one.tokens for one in passes), default=0)
    parameters = size.parameters
    name = f"{parameters / 1e9:.1f}B" if parameters >= 5e8 else f"{parameters / 1e6:.1f}M"
    how = " with gradient checkpointing" if again else ""
    return MemoryPlan(
        again,
        f"memory: {name} parameters, {tokens:,} tokens a pass: about {needed[again] / _GIB:.1f} GiB{how}, of "
        f"{free / _GIB:.1f} GiB",
    )
