"""Forms of calls as grammars in llguidance's Lark dialect, for llama.cpp."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Literal,
    Mark,
    Opening,
    Repeat,
    SchemaJson,
    Until,
    split_marks,
)

TokenId = Callable[[str], int | None]
"""Id of a text that is one special token of the model's vocabulary, else None."""

# The usual spacing of models only: blanks could fill an answer otherwise.
_STYLE: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def held_grammar(form: Form, token_id: TokenId) -> str:
    """The grammar of an answer that has a form from its first token on."""
    writer = _Writer(token_id)
    return writer.grammar(writer.expression(form))


def free_grammar(
    openings: Sequence[Opening],
    token_id: TokenId,
    special: Iterable[int],
    *,
    thoughts: Sequence[tuple[str, str]],
    thinking: bool,
) -> str:
    """The grammar of an answer that is free up to the first beginning of calls, and held from there on.

    Args:
        openings: the beginnings.
        token_id: special-token ids of the model's vocabulary.
        special: ids of the special tokens that free text may hold; none of them ends an answer.
        thoughts: marks around a thought, in which nothing begins calls.
        thinking: whether the prompt has opened a thought that the answer continues.
    """
    writer = _Writer(token_id, spelt=True)
    marked = [pair for pair in thoughts if None not in (token_id(pair[0]), token_id(pair[1]))]
    spelt = [pair for pair in thoughts if pair not in marked]
    opens, closes = ({token_id(pair[side]) for pair in marked} for side in (0, 1))
    begins = {token_id(begin) for one in openings for begin in one.begins}
    inside = " | ".join(["ANY", *_tokens(set(special) - closes)])
    thought = [f"{_token(opens)} ({inside})* {_token(closes)}"] if marked else []
    ends = [f"({inside})* {_token(closes)}"] if marked else []
    if spelt:
        whole = "|".join(f"{_pattern(opened)}(?s:.*){_pattern(closed)}" for opened, closed in spelt)
        writer.rule("thought[lazy]", rf"/\s*({whole})/")
        writer.rule("thought_end[lazy]", f"/(?s:.*)({_any_of(closed for _, closed in spelt)})/")
        thought, ends = [*thought, "thought"], [*ends, "thought_end"]
    writer.rule("ANY", "/(?s:.+)/")
    writer.rule("between", " | ".join([*_tokens(set(special) - begins - opens - closes), *thought]))
    # What begins with a thought, or as calls do that stand at the start only, is no free text.
    first = [begin[0] for one in openings for begin in one.begins if one.at_start]
    leads = [rf"\s*({_any_of([*first, *[opened for opened, _ in spelt]])})"] if first or spelt else []
    _free_rules(writer, openings, "answer", leads)
    names = [text for one in openings for text, _ in one.rests if text]
    if names:  # behind a beginning that turned out to be none
        _free_rules(writer, openings, "other", [_any_of(names)])
    return writer.grammar(f"({' | '.join(ends)}) answer | ({inside})*" if thinking else "answer")


def _free_rules(writer: _Writer, openings: Sequence[Opening], name: str, leads: Sequence[str]) -> None:
    """The rules of an answer, or the rest of one, that is free up to the first beginning of calls.

    Args:
        name: name of the rule.
        leads: patterns with which the text does not begin.
    """
    unlike = "".join(rf" & ~/({lead})(?s:.*)/" for lead in leads)
    free = name.upper()
    writer.rule(free, f"/(?s:.+)/{unlike}")
    held = []
    for number, one in enumerate(openings):
        rest = _rest(writer, one)
        ids = [id for begin in one.begins if (id := writer.token_id(begin)) is not None]
        held += [f"{free}? <[{id}]> {rest}" for id in ids]
        if not one.at_start:
            writer.rule(f"{name}_{number}[lazy]", f"/(?s:.*)({_any_of(one.begins)})/{unlike}")
            held.append(f"{name}_{number} {rest}")
        elif name == "answer":
            writer.rule(f"{name}_{number}[lazy]", rf"/\s*({_any_of(one.begins)})/")
            held.append(f"{name}_{number} {rest}")
    writer.rule(name, f"{free}? (between answer)? | {' | '.join(held)}")


def _rest(writer: _Writer, opening: Opening) -> str:
    """What follows a beginning: one of its texts with its form, or more of a free answer."""
    if opening.rests[0][0] == "":
        return writer.expression(opening.rests[0][1])
    named = [f"{quoted(text)} {writer.expression(form)}" for text, form in opening.rests]
    return writer.named(" | ".join([*named, "other"]))


class _Writer:
    """The rules of one grammar.

    Args:
        token_id: special-token ids of the model's vocabulary.
        spelt: whether a mark may also be spelt by ordinary tokens, as a model may in free text.
    """

    def __init__(self, token_id: TokenId, *, spelt: bool = False) -> None:
        self.token_id = token_id
        self._spelt = spelt
        self._rules: list[str] = []
        self._named: dict[str, str] = {}  # rule by its expression

    def grammar(self, start: str) -> str:
        return "\n".join([f"start: {start}", *self._rules, ""])

    def rule(self, name: str, expression: str) -> None:
        self._rules.append(f"{name}: {expression}")

    def expression(self, form: Form) -> str:
        """The expression of a form; schemas and choices become rules, each once."""
        match form:
            case Literal(text):
                return quoted(text)
            case Mark(text):
                id = self.token_id(text)
                if id is None:
                    return quoted(text)
                return self.named(f"<[{id}]> | {quoted(text)}") if self._spelt else f"<[{id}]>"
            case Until(close, never):
                return self.named(self._until(close, never))
            case SchemaJson(schema, spaced):
                return self.named(
                    f"%json {json.dumps(schema if spaced else {**schema, 'x-guidance': _STYLE})}"
                )
            case Choice(parts):
                return self.named(" | ".join(map(self.expression, parts)))
            case Repeat(part, most):
                return f"({self.expression(part)}){{0,{most}}}"
            case _:
                return " ".join(map(self.expression, form.parts))

    def _until(self, close: str, never: Sequence[str]) -> str:
        """Text up to a mark: up to its special token, or else up to its letters, the first time they stand
        there."""
        unlike = f" & ~/(?s:.*)({_any_of(never)})(?s:.*)/" if never else ""
        before, *rest = split_marks(close)
        id = self.token_id(rest[0]) if rest else None
        ways = []
        if id is not None:
            number = len(self._rules)
            if before:
                self.rule(f"TEXT_{number}", f"/(?s:.*){_pattern(before)}/{unlike}")
                text = f"TEXT_{number}"
            else:
                self.rule(f"TEXT_{number}", f"/(?s:.+)/{unlike}")
                text = f"TEXT_{number}?"
            ways.append(
                " ".join(
                    [
                        f"{text} <[{id}]>",
                        *[
                            self.expression(Mark(part) if n % 2 else Literal(part))
                            for n, part in enumerate(rest[1:], 2)
                            if part
                        ],
                    ]
                )
            )
        if id is None or self._spelt:
            number = len(self._rules)
            self.rule(f"text_{number}[lazy]", f"/(?s:.*){_pattern(close)}/{unlike}")
            ways.append(f"text_{number}")
        return " | ".join(ways)

    def named(self, expression: str) -> str:
        """The name of a rule for an expression."""
        if expression not in self._named:
            self._named[expression] = f"part_{len(self._named)}"
            self.rule(self._named[expression], expression)
        return self._named[expression]


def quoted(text: str) -> str:
    """A text as a literal of the grammar."""
    return json.dumps(text, ensure_ascii=False)


def _pattern(text: str) -> str:
    """A text as a regular expression between slashes."""
    return re.escape(text).replace("/", r"\/").replace("\\\n", r"\n")


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(map(_pattern, texts))


def _tokens(ids: Iterable[int | None]) -> list[str]:
    """One of these special tokens; nothing without any."""
    known = [id for id in ids if id is not None]
    return [_token(known)] if known else []


def _token(ids: Iterable[int | None]) -> str:
    """One of these special tokens, of which there is one."""
    return f"<[{','.join(str(id) for id in sorted(id for id in ids if id is not None))}]>"
