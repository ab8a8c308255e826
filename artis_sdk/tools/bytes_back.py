"""Bytes from the text that stands for them in JSON, where a function's annotation asks for bytes."""

from __future__ import annotations

import binascii
import collections.abc
from base64 import b64decode
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BeforeValidator

from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import BASE_64

_HOLDERS = (list, tuple, set, frozenset, dict, *vars(collections.abc).values())
"""Generic types whose arguments are the types of what they hold."""


def with_bytes_back(annotation: Any) -> Any:
    """An annotation whose `bytes` also take the text of a `data:` URL that `jsonable` wrote.

    Pydantic takes any text for bytes, so that a call from a plan or a model, and a result from a journal or
    a simulator, would hold the URL's own characters. Fields of models are left to the models.
    """
    if annotation is bytes:
        return Annotated[bytes, BeforeValidator(_read)]
    origin, within = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *notes = within
        if inner is bytes:  # last, so that it comes before checks of the length
            return Annotated[(bytes, *notes, BeforeValidator(_read))]
        return Annotated[(with_bytes_back(inner), *notes)]
    changed = tuple(map(with_bytes_back, within))
    if changed == within:
        return annotation
    if origin in (Union, UnionType):
        return Union[changed]  # noqa: UP007  of types that are known at run time only
    return origin[changed] if origin in _HOLDERS and origin is not collections.abc.Callable else annotation


def _read(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(BASE_64):
        return value
    try:
        data = b64decode(value.removeprefix(BASE_64), validate=True)
    except binascii.Error:
        return value
    return data if jsonable(data) == value else value
