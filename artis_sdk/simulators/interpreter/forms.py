"""Texts in JSON that stand for values of types which it does not have."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from artis_sdk.records.jsonable import jsonable

_NUMBER: Final = re.compile(r"\s*[-+]?[\d.][\d._]*([eE][-+]?\d+)?\s*|[-+]?(nan|inf|infinity)", re.IGNORECASE)
_ISO: Final = re.compile(r"\d{4}-\d\d|[-+]?P\d|P?T?\d\d:\d\d")


def of_text(text: str, kind: type) -> Any:
    """The decimal or the date that JSON shows as a text; None if it shows no single one."""
    made: Any = None
    with suppress(ValueError, InvalidOperation):
        if kind is Decimal:
            made = Decimal(text)
            return made if made.is_finite() and str(made) == text else None
        if kind in (datetime, date):
            made = kind.fromisoformat(text)
            if kind is datetime and made.tzinfo is not None and made.utcoffset():
                return None  # which time zone it has is not shown
    return made if made is not None and jsonable(made) == text else None


def doubtful(text: str) -> bool:
    """Whether a text may stand for a value of another type."""
    return (
        _NUMBER.fullmatch(text) is not None
        or _ISO.match(text) is not None
        or (text.startswith("<") and text.endswith(">"))
    )
