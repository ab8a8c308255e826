"""Attention over a tree of tokens, and the logits of those positions that a loss needs."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from artis_sdk.trainers.token_tree import IGNORED, Form, Pass, TokenRow, in_order, packed

_NAME: Final = "artis_tree"
_KINDS: Final = {"full_attention", "sliding_attention"}  # layers whose attention is that of a tree below
_CHECKED: Final = (1, 5, 9)  # tokens of the checked rows after their shared ones
_SHARED: Final = 7


class Tree:
    """Where the rows of a pass are in it.

    Args:
        one: the pass.
        device: device of the model.
    """

    def __init__(self, one: Pass, device: Any) -> None:
        self.sizes = one.sizes
        self.lengths = [len(path) for path in one.paths]
        self.index = torch.from_numpy(numpy.concatenate(one.paths)).to(device)
        self._masks: dict[tuple[int | None, Any], list[Any]] = {}

    def masks(self, window: int | None, dtype: Any) -> list[Any]:
        """Of each row, what is added to the scores of its tokens for each of its own, (1, 1, own, all): 0 for
        those that it sees. None for all before it in a row that is wholly its own. All layers share them.

        Args:
            window: number of tokens that a token sees, itself included; None for all before it.
            dtype: type of the scores.
        """
        if (window, dtype) not in self._masks:
            self._masks[window, dtype] = [
                self._mask(own, all_, window, dtype)
                for own, all_ in zip(self.sizes, self.lengths, strict=True)
            ]
        return self._masks[window, dtype]

    def _mask(self, own: int, all_: int, window: int | None, dtype: Any) -> Any:
        if own == all_ and (window is None or window >= all_):
            return None
        place = torch.arange(all_, device=self.index.device)
        behind = place[all_ - own :, None] - place[None, :]
        hidden = behind < 0 if window is None else (behind < 0) | (behind >= window)
        return torch.zeros_like(hidden, dtype=dtype).masked_fill_(hidden, -torch.inf)[None, None]


def _attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    tree: Tree | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[Any, None]:
    """Transformers' attention function; without a tree it is that of `sdpa`."""
    if tree is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **more)[0], None
    keys, values = (part[:, :, tree.index].split(tree.lengths, 2) for part in (key, value))
    rows = zip(query.split(tree.sizes, 2), keys, values, tree.masks(sliding_window, query.dtype), strict=True)
    return torch.cat([sdpa_attention_forward(module, *row, **more)[0] for row in rows], 1), None


def choose_form(model: Any) -> Form:
    """The way in which a model computes rows together, and the model made ready for it.

    Its own attention computes a tree only if the logits of rows in a tree are those of the rows alone, which
    is tried here on three short ones.

    Args:
        model: a causal language model of transformers, without adapters.
    """
    asked = model.config._attn_implementation
    if asked is not None and "flash" in asked:
        return "packed"
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or _KINDS)
    if asked not in ("sdpa", "eager") or not kinds <= _KINDS:
        return "alone"
    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    rows = _checked_rows(model.config.get_text_config().vocab_size)
    training = model.training
    model.eval()
    with torch.no_grad():
        alone = torch.cat([logits(model, packed([row], "alone")) for row in rows])
        model.set_attn_implementation(_NAME)
        same = _same(alone, logits(model, packed(rows, "tree")))
    model.train(training)
    if same:
        return "tree"
    model.set_attn_implementation(asked)
    return "alone"


def _checked_rows(vocabulary: int) -> list[TokenRow]:
    tokens = numpy.random.default_rng(0).integers(0, vocabulary, _SHARED)
    made = []
    for number, more in enumerate(_CHECKED):
        ids = numpy.concatenate([tokens, numpy.random.default_rng(number + 1).integers(0, vocabulary, more)])
        made.append(TokenRow(ids, ids))
    return [made[n] for n in in_order(made)]


def _same(one: Any, other: Any) -> bool:
    """To the rounding of the model's type, of which the differences of another mask are far."""
    within = 1e-3 if one.dtype in (torch.float32, torch.float64) else 0.1
    return bool((one - other).float().abs().max() <= within * one.float().std())


def logits(model: Any, one: Pass) -> Any:
    """Logits of the labels of a pass, (labels, vocabulary); the head computes no other positions.

    Args:
        model: a causal language model, wrapped for adapters and for several processes or not.
        one: the pass, in the form that `choose_form` chose for the model.
    """
    device = _device(model)
    heads = torch.from_numpy(one.heads).to(device)
    return model(**_inputs(one, device), logits_to_keep=heads).logits[0]


class LabelScores(NamedTuple):
    """What a model says of the labels of a pass."""

    log_probs: Any
    """Natural log of each label's probability, (labels,), float32."""
    entropy: Any
    """Entropy of the distribution that each label is from, in nats, (labels,), without gradient."""


def scores(model: Any, one: Pass, *, temperature: float = 1.0, fused: bool | None = None) -> LabelScores:
    """Score the labels of a pass with a trainer's model.

    Args:
        model: model of a TRL trainer, which has TRL's fused head, set to `temperature`.
        one: the pass.
        temperature: temperature by which logits are divided.
        fused: whether TRL's head is used, which holds no logits but scores only labels on a GPU alone; None
            for where it does.
    """
    device = _device(model)
    labels = torch.from_numpy(one.labels).to(device)
    heads = torch.from_numpy(one.heads).to(device)
    if device.type != "cpu" if fused is None else fused:
        told = torch.full((1, len(one.ids)), IGNORED, device=device)
        told[0, heads] = labels
        made = model(**_inputs(one, device), shift_labels=told, fused_lm_head=True)
        return LabelScores(made.log_probs[0, heads].float(), made.entropy[0, heads].detach())
    chances = torch.log_softmax(logits(model, one).float() / temperature, -1)
    with torch.no_grad():
        entropy = -(chances.exp() * chances).sum(-1)
    return LabelScores(chances.gather(1, labels[:, None])[:, 0], entropy)


def _device(model: Any) -> Any:
    return next(model.parameters()).device


def _inputs(one: Pass, device: Any) -> dict[str, Any]:
    ids, positions = (torch.from_numpy(part).to(device)[None] for part in (one.ids, one.positions))
    given = {"input_ids": ids, "position_ids": positions, "use_cache": False}
    if one.form == "tree":
        # A mask of four dimensions goes through transformers as it is; the tree is what decides.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
        given |= {"tree": Tree(one, device), "attention_mask": mask}
    return given
