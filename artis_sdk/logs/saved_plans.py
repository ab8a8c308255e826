"""Plans without their secrets, which return when a plan is committed."""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue, SecretStr

from artis_sdk.errors import CommitRefused, ConfigurationError, MissingExtraError
from artis_sdk.logs.leaves import map_leaves
from artis_sdk.logs.secrets import PLACEHOLDERS
from artis_sdk.logs.shown import map_record
from artis_sdk.records import Plan, ToolCall, Withheld

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_NAME = "ARTIS_PLAN_KEY"
_NEW_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
# A commit does not use these: the state is the simulator's, and raw texts are for training.
_UNUSED = ("task.state", "task.history", "task.tools")


def check_key(key: SecretStr) -> None:
    """Raise ConfigurationError if this is not a key."""
    try:
        good = len(urlsafe_b64decode(key.get_secret_value())) == 32
    except (binascii.Error, ValueError):
        good = False
    if not good:
        raise ConfigurationError(f"{KEY_NAME} is not a key of 32 bytes in base64; make one with: {_NEW_KEY}")


def without_secrets(plan: Plan, shown: Plan, key: SecretStr | None) -> Plan:
    """A plan, ready to be saved.

    Args:
        plan: the plan.
        shown: the same plan without secrets.
        key: key under which the plan keeps its secrets, encrypted; None to leave them out.

    Raises:
        MissingExtraError: `key` is set and `cryptography` is not installed.
    """
    places: dict[str, tuple[str, ...]] = {}
    for path, text, before in _texts(shown.model_dump(mode="json"), plan.model_dump(mode="json"), ""):
        if path.startswith(_UNUSED) or path.endswith(".raw"):
            continue
        for placeholder in set(PLACEHOLDERS.findall(text)) - set(PLACEHOLDERS.findall(before)):
            places[placeholder] = (*places.get(placeholder, ()), path)
    if not places:
        return shown
    shown = shown.model_copy(update={"withheld": Withheld(places=places)})
    if key is None:
        return shown
    sealed = _digest(shown) + plan.model_dump_json().encode("utf-8", "surrogatepass")
    token = _fernet(key).encrypt(sealed).decode()
    return shown.model_copy(update={"withheld": Withheld(places=places, sealed=token)})


def with_secrets(plan: Plan, key: SecretStr | None, values: Mapping[str, JsonValue]) -> Plan:
    """A saved plan with its secrets restored.

    Args:
        plan: the saved plan; one without secrets stays unchanged.
        key: key that it was saved with.
        values: secrets by placeholder, if it was saved without a key.

    Raises:
        CommitRefused: secrets are missing, the key is another one, or the plan was changed.
        MissingExtraError: `key` is set and `cryptography` is not installed.
    """
    if plan.withheld is None:
        return plan
    if plan.withheld.sealed is not None and key is not None:
        return _unsealed(plan, plan.withheld.sealed, key)
    missing = {it: where for it, where in plan.withheld.places.items() if it not in values}
    if missing:
        listed = "; ".join(f"{it} at {', '.join(where)}" for it, where in missing.items())
        how = (
            f"set {KEY_NAME} to the key that it was saved under"
            if plan.withheld.sealed is not None
            else "artis run asks for them at a terminal, without --yes; or pass them (`secrets=` of "
            f"Session.commit), or save plans under a key ({KEY_NAME})"
        )
        raise CommitRefused(
            plan.id, f"it was saved without its secrets, and nothing was run: {listed}; {how}"
        )

    def leaf(value: str | int | float) -> JsonValue:
        if not isinstance(value, str):
            return value
        if value in values:
            return values[value]
        return text(value)

    def text(value: str) -> str:
        return PLACEHOLDERS.sub(lambda found: str(values.get(found[0], found[0])), value)

    def change(value: JsonValue, path: str) -> JsonValue:
        return text(value) if isinstance(value, str) else map_leaves(value, leaf, text)

    def arguments(call: ToolCall) -> JsonValue:
        return map_leaves(dict(call.arguments), leaf, text)

    return map_record(plan.model_copy(update={"withheld": None}), change, arguments)


def _unsealed(plan: Plan, sealed: str, key: SecretStr) -> Plan:
    from cryptography.fernet import InvalidToken

    try:
        opened = _fernet(key).decrypt(sealed)
    except InvalidToken:
        raise CommitRefused(plan.id, f"its secrets are not encrypted under this {KEY_NAME}") from None
    digest = _digest(plan)
    if not opened.startswith(digest):
        raise CommitRefused(plan.id, "it was changed after it was saved; rehearse again")
    whole = Plan.model_validate_json(opened[len(digest) :])
    return whole.model_copy(update={"approvals": plan.approvals})


def _digest(shown: Plan) -> bytes:
    """SHA-256 of the readable part of a saved plan."""
    assert shown.withheld is not None
    bare = shown.model_copy(update={"withheld": Withheld(places=shown.withheld.places), "approvals": ()})
    return hashlib.sha256(bare.model_dump_json().encode("utf-8", "surrogatepass")).digest()


def _fernet(key: SecretStr) -> Fernet:
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise MissingExtraError(f"a plan saved under {KEY_NAME}", "seal") from None
    return Fernet(key.get_secret_value())


def _texts(shown: JsonValue, before: JsonValue, path: str) -> Iterator[tuple[str, str, str]]:
    """The texts that differ: where they stand, as they are, and as they were; keys count as texts."""
    if isinstance(shown, dict) and isinstance(before, dict):
        for (key, item), (old_key, old) in zip(shown.items(), before.items(), strict=True):
            where = f"{path}.{key}" if path else key
            if key != old_key:
                yield path, key, old_key
            yield from _texts(item, old, where)
    elif isinstance(shown, list) and isinstance(before, list):
        for n, (item, old) in enumerate(zip(shown, before, strict=True)):
            yield from _texts(item, old, f"{path}.{n}")
    elif isinstance(shown, str) and shown != before:
        yield path, shown, str(before)
