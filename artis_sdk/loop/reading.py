"""Reading the answers of judging models: tags and JSON, one corrective retry, and never a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic_core import from_json

from artis_sdk.contracts import Backend, Meter
from artis_sdk.prompts.again import asked_again
from artis_sdk.records import Request, Role
from artis_sdk.records.thinking import strip_thinking

T = TypeVar("T")


class Unreadable(Exception):
    """The text lacks a required part; the message names it."""


async def ask(
    meter: Meter, backend: Backend, role: Role, request: Request, read: Callable[[str], T]
) -> tuple[T, str]:
    """Request an answer from a model and read it; if it is unreadable, say why and request one more.

    Args:
        read: function that returns the value of an answer, or raises `Unreadable`.

    Returns:
        The value, and the model's exact text.

    Raises:
        Unreadable: the second answer cannot be read either.
    """
    completion = await meter.complete(backend, role, request)
    try:
        return read(completion.text), completion.raw or completion.text
    except Unreadable as error:
        again = asked_again(request, completion, str(error), origin=backend.name)
    completion = await meter.complete(backend, role, again)
    return read(completion.text), completion.raw or completion.text


def tagged(text: str, tag: str) -> list[str]:
    """The contents of each `<tag>...</tag>`; an unclosed last tag runs to the end."""
    pieces = re.findall(rf"<{tag}>(.*?)(?:</{tag}>|\Z)", text, re.DOTALL | re.IGNORECASE)
    return [piece.strip() for piece in pieces]


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a text, alone, in a code fence, or with words around it.

    Raises:
        Unreadable: the text has no JSON object, or not a whole one, or one that gives a name twice.
    """
    text = strip_thinking(text)
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise Unreadable("there is no JSON object")
    try:
        value = from_json(text[start : end + 1])
        json.loads(text[start : end + 1], object_pairs_hook=_check_once)
    except ValueError as error:
        raise Unreadable(f"it is not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise Unreadable("it is not a JSON object")
    return value


def _check_once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):  # which of its values was meant nobody can say
        raise ValueError("a name is given twice")


def text_field(value: dict[str, Any], name: str, *, required: bool = False) -> str:
    """A string field of an object; a missing field is the empty string, unless it is required.

    Raises:
        Unreadable: the field is required and missing, or is not a string.
    """
    field = value.get(name, "")
    if not isinstance(field, str):
        raise Unreadable(f"{name!r} must be a string")
    if required and not field.strip():
        raise Unreadable(f"{name!r} is missing")
    return field.strip()
