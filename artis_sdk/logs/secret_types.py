"""The values behind pydantic's `SecretStr` and `SecretBytes`, anywhere in a Python value."""

from __future__ import annotations

from types import FunctionType, ModuleType, NoneType
from typing import Any

from pydantic import Secret, SecretBytes, SecretStr

from artis_sdk.records.plain_forms import stored_attributes

# A value may refer to half of an application; secrets beyond it are stars, and not looked for elsewhere.
_MOST = 10_000
_NO_SECRETS = (str, bytes, int, float, type, ModuleType, FunctionType)  # texts in clear, and code

_LEAVES = frozenset((NoneType, bool, int, float, str, bytes))  # hold no secrets, either


def secret_values(value: Any) -> list[str]:
    """The secrets in a value as texts, in its containers and attributes; nothing of the value's own runs."""
    found: list[str] = []
    waiting: list[Any] = _inside(value) if type(value) is dict or type(value) is list else [value]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        item = waiting.pop()
        kind = type(item)  # `isinstance` would run the value's own code
        # Hashing a class may run its metaclass; `id` raises an audit event, for which our hook is called.
        if (type(kind) is type and kind in _LEAVES) or (number := id(item)) in seen:
            continue
        if kind is dict or kind is list or kind is tuple:  # the same as below, for most values and sooner
            seen.add(number)
            waiting += _inside(item)
            continue
        if issubclass(kind, _NO_SECRETS):
            continue
        seen.add(number)
        if issubclass(kind, SecretStr | SecretBytes | Secret):
            secret = item.get_secret_value()
            found.append(secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret))
        elif issubclass(kind, dict):
            waiting.extend(dict.values(item))
        elif issubclass(kind, list):
            waiting.extend(list.__iter__(item))
        elif issubclass(kind, tuple):
            waiting.extend(tuple.__iter__(item))
        elif issubclass(kind, set):
            waiting.extend(set.__iter__(item))
        elif issubclass(kind, frozenset):
            waiting.extend(frozenset.__iter__(item))
        else:
            waiting.extend(stored_attributes(item).values())
    return found


def _inside(container: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> list[Any]:
    """Its values that may hold a secret."""
    # At once: others may change it.
    items = [*container.values()] if type(container) is dict else [*container]
    return [item for item in items if not (type(kind := type(item)) is type and kind in _LEAVES)]
