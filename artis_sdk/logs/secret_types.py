"""The values behind pydantic's `SecretStr` and `SecretBytes`, anywhere in a Python value."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

from pydantic import Secret, SecretBytes, SecretStr

from artis_sdk.records.plain_forms import stored_attributes

# A value may refer to half of an application; secrets beyond it are stars, and not looked for elsewhere.
_MOST = 10_000
_NO_SECRETS = (str, bytes, int, float, type, ModuleType, FunctionType)  # texts in clear, and code


def secret_values(value: Any) -> list[str]:
    """The secrets in a value as texts, in its containers and attributes; nothing of the value's own runs."""
    found: list[str] = []
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        item = waiting.pop()
        kind = type(item)  # `isinstance` would run the value's own code
        if issubclass(kind, _NO_SECRETS) or item is None or id(item) in seen:
            continue
        seen.add(id(item))
        if issubclass(kind, SecretStr | SecretBytes | Secret):
            secret = item.get_secret_value()
            found.append(secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret))
        elif issubclass(kind, dict):
            waiting.extend(dict.values(item))
        elif base := next((base for base in (list, tuple, set, frozenset) if issubclass(kind, base)), None):
            waiting.extend(base.__iter__(item))
        else:
            waiting.extend(stored_attributes(item).values())
    return found
