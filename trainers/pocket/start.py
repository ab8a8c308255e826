"""The pocket model's first weights: as drawn, and in its two lowest layers heads that copy.

Copying identifiers is most of what the roles need, and a model of this size finds out how only after tens
of millions of tokens. So its lowest layers begin with it (induction heads, Olsson et al. 2022): in layer 0
some heads look one or two tokens back and store that token; in layer 1 all heads look for a place with the
same tokens before it as here, and output the token at that place. Training changes all of it.
"""

from __future__ import annotations

from typing import Any, Final

import torch

_WIDTH: Final = 32  # of a head
_TOKEN: Final = 96  # dimensions 0 to 95 say which token it is
_BACK: Final = ((1, 0, 96), (1, 32, 128), (2, 0, 160))
"""Heads of layer 0: tokens back, dimensions of the token that are read, and where they are written."""
_WRITTEN: Final = 31
_CONSTANT: Final = 191
_ONE: Final = 4.0
_SHARP: Final = 6.0  # of looking back; the softmax is then nearly a choice
_MATCH: Final = 2.4
_PART: Final = 8  # dimensions of a token by which a head finds an equal one
_SAID: Final = 3.0
_READ: Final = 0.06


@torch.no_grad()  # type: ignore[untyped-decorator]
def begin(model: Any, seed: int) -> None:
    """Set the embeddings and the two lowest layers' attention.

    Args:
        model: a Llama of `shape.SIZES`, freshly drawn.
        seed: seed of the embeddings.
    """
    rows = model.config.vocab_size
    draws = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (rows, _TOKEN), generator=draws).float() * 2 - 1
    embedding = model.model.embed_tokens.weight
    embedding.zero_()
    embedding[:, :_TOKEN] = signs
    embedding[:, _CONSTANT] = _ONE
    model.lm_head.weight.zero_()
    model.lm_head.weight[:, :_TOKEN] = _READ * signs
    _looking_back(model.model.layers[0].self_attn, model.config)
    _finding(model.model.layers[1].self_attn)


def _looking_back(attention: Any, config: Any) -> None:
    level = ((_TOKEN + _ONE**2) / config.hidden_size) ** 0.5  # what the norm divides by
    half = _WIDTH // 2
    angles = config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
    for head, (back, first, written) in enumerate(_BACK):
        rows = slice(head * _WIDTH, (head + 1) * _WIDTH)
        for matrix in (attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight):
            matrix[rows] = 0.0
        attention.o_proj.weight[:, rows] = 0.0
        scale = _SHARP * level / _ONE
        asked = torch.cat([torch.ones(half), torch.zeros(half)])
        offered = torch.cat([torch.cos(back * angles), torch.sin(back * angles)])
        attention.q_proj.weight[rows, _CONSTANT] = scale * asked
        attention.k_proj.weight[rows, _CONSTANT] = scale * offered
        for n in range(_WRITTEN):
            attention.v_proj.weight[head * _WIDTH + n, first + n] = 1.0
            attention.o_proj.weight[written + n, head * _WIDTH + n] = level


def _finding(attention: Any) -> None:
    half = _WIDTH // 2
    slow = [*range(half // 2, half), *range(half + half // 2, _WIDTH)]  # turn little over a prompt
    heads = attention.q_proj.weight.shape[0] // _WIDTH
    for matrix in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
        matrix.weight.zero_()
    for head in range(heads):
        here, said_before, before_that = _BACK
        for n in range(_PART):
            place = head * _WIDTH + slow[n]
            token = (head * _PART + n) % (2 * _WRITTEN)  # this token like the one before there
            group = here if token < _WRITTEN else said_before
            dimension = group[1] + token % _WRITTEN
            attention.q_proj.weight[place, dimension] = _MATCH
            attention.k_proj.weight[place, group[2] + token % _WRITTEN] = _MATCH
            place = head * _WIDTH + slow[_PART + n]
            token = (head * _PART + n) % _WRITTEN  # the one before this like the one before that
            attention.q_proj.weight[place, here[2] + token] = _MATCH
            attention.k_proj.weight[place, before_that[2] + token] = _MATCH
        for n in range(_TOKEN // heads):
            dimension = head * (_TOKEN // heads) + n
            attention.v_proj.weight[head * _WIDTH + n, dimension] = 1.0
            attention.o_proj.weight[dimension, head * _WIDTH + n] = _SAID
