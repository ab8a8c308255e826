"""Detection of secrets, and redaction before anything is written.

A value is secret by its name (`password`, `api_key`, ...), by its type (`SecretStr` in the tool's
signature), or by a rule of the user. It is replaced in its place, and wherever the same string occurs in
the written data: in a model's raw text, a result, an error message.
"""

from __future__ import annotations

import json
import re
import secrets as random
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Any, Protocol

from pydantic import JsonValue

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.logs.secret_schema import cover_marked, has_marks
from artis_sdk.logs.secret_text import SecretTexts
from artis_sdk.logs.secret_types import secret_values
from artis_sdk.logs.secrets import PLACEHOLDER, Secrets, all_texts, map_leaves, replaced
from artis_sdk.records import Outcome, ToolSpec


class Finder(Protocol):
    """Finds secrets in texts; `provider_keys.ProviderKeys` is one."""

    def find(self, text: str) -> Iterable[str]:
        """The secrets in a text, which may be many texts, one a line."""


Rule = str | re.Pattern[str] | Callable[[str, JsonValue], bool] | Finder
"""A path, a pattern, a function, or a finder.

A path such as `login.arguments.code`, `*.outcome.value.iban` or `state.users.*`: the tool's name, then
`arguments`, `outcome`, `predicted`, `raw` or `malformed`, then keys and list positions; a state begins
with `state`. `*` stands for any characters, dots included. A pattern is found inside every string: each
match is secret. A function takes path and value, and returns whether the value is secret. A finder receives
all texts of a value at once.
"""
OUTCOME_TEXTS = ("value", "failure_type", "message", "raw")
"""The fields of an outcome that may hold a secret."""
_PLACEHOLDER = re.compile(f"({PLACEHOLDER})")


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...], allow: tuple[str, ...]) -> tuple[SecretNames, SecretTexts]:
    """Redactors with the same names share what was worked out of them: every session has one."""
    found = SecretNames(names, allow)
    return found, SecretTexts(found)


class Redactor:
    """Finds secrets and replaces them by placeholders.

    A placeholder is `[redacted:xxxxxxxx]`, a keyed hash: equal secrets look equal, which training needs,
    and without the key the secret cannot be found by trying. The key is random and in memory only, so
    equality holds within one redactor (in practice: one process), unless `key` is set. Redacting
    redacted data changes nothing.

    Null, booleans and empty strings are never secret. One and two characters, and words such as
    `password`, are replaced under their name only; up to five characters elsewhere only as a whole word
    or number. Tool documents
    (`ToolSpec`) are not redacted: models see them.

    Args:
        rules: rules beyond names; see `Rule`.
        names: names of secrets, words joined by `_`; `()` turns off redaction by name, and of
            passwords in URLs.
        allow: full names that are not secret in spite of `names`, such as `page_token`.
        key: 16 to 64 bytes, for equal placeholders across processes; keep it as you keep the secrets.

    Raises:
        ConfigurationError: a rule or the key is unusable.
    """

    def __init__(
        self,
        *rules: Rule,
        names: Iterable[str] = SECRET_NAMES,
        allow: Iterable[str] = (),
        key: bytes | None = None,
    ) -> None:
        if key is not None and not 16 <= len(key) <= 64:
            raise ConfigurationError(f"a redaction key has 16 to 64 bytes, not {len(key)}")
        self._key = key or random.token_bytes(32)
        self._names, self._texts = _names(tuple(names), tuple(allow))
        paths = [rule for rule in rules if isinstance(rule, str)]
        self._paths = re.compile("|".join(map(translate, paths))) if paths else None
        self._patterns = [rule for rule in rules if isinstance(rule, re.Pattern)]
        self._functions = [rule for rule in rules if callable(rule)]
        others = [rule for rule in rules if not isinstance(rule, str | re.Pattern) and not callable(rule)]
        self._finders: list[Finder] = [rule for rule in others if hasattr(rule, "find")]
        by_place = len(paths) + len(self._patterns) + len(self._functions)
        if by_place + len(self._finders) != len(rules):
            raise ConfigurationError("a redaction rule is a path, a compiled pattern, a function or a finder")
        self._always = by_place > 0
        self._marked: dict[str, ToolSpec] = {}
        self._seen: dict[str, ToolSpec] = {}

    def know(self, *tools: ToolSpec) -> None:
        """Learn which parameters these tools mark as secret, for calls that have only a tool's name."""
        for spec in tools:
            if self._seen.get(spec.name) is spec:
                continue
            self._seen[spec.name] = spec
            if has_marks(spec):
                self._marked[spec.name] = spec
            else:
                self._marked.pop(spec.name, None)

    def new_secrets(self) -> Secrets:
        """An empty memory, for one session."""
        return Secrets(self._key)

    # --- for one call -------------------------------------------------------------------------

    def redact_arguments(
        self,
        tool: ToolSpec | str,
        arguments: Mapping[str, JsonValue],
        *,
        given: Any = None,
        known: Secrets | None = None,
    ) -> dict[str, JsonValue]:
        """The arguments of a call, redacted for writing.

        Args:
            tool: its document, which also marks `SecretStr` parameters; or its name alone.
            arguments: arguments by parameter name.
            given: the Python arguments, whose `SecretStr`s are secret everywhere.
            known: the session's secrets, hidden too; this call's secrets are added.
        """
        known = self.new_secrets() if known is None else known
        for secret in secret_values(given):
            known.add(secret)
        hidden = known.hide(self.cover_arguments(tool, arguments, known))
        assert isinstance(hidden, dict)
        return hidden

    def redact_outcome(
        self,
        tool: ToolSpec | str,
        outcome: Outcome,
        arguments: Mapping[str, JsonValue],
        *,
        returned: Any = None,
        known: Secrets | None = None,
    ) -> Outcome:
        """The outcome of a call, redacted for writing, also without the secrets of its arguments.

        Args:
            tool, arguments, known: as in `redact_arguments`.
            outcome: outcome of the call.
            returned: the Python value behind it, whose `SecretStr`s are secret everywhere.
        """
        known = self.new_secrets() if known is None else known
        for secret in secret_values(returned):
            known.add(secret)
        self.cover_arguments(tool, arguments, known)
        name = tool if isinstance(tool, str) else tool.name
        parts = {part: getattr(outcome, part) for part in OUTCOME_TEXTS}
        hidden = known.hide(self.cover(parts, f"{name}.outcome", known))
        assert isinstance(hidden, dict)
        return outcome.model_copy(update=hidden)

    # --- in pieces, for a record --------------------------------------------------------------

    def may_hold(self, text: str) -> bool:
        """Whether a value of this JSON text could hold a secret by name or rule; False is certain."""
        return self._always or bool(self._finders) or self._texts.may_hold(text)

    def marks(self, tool: str) -> bool:
        """Whether the schema of the tool of this name marks parameters as secret."""
        return tool in self._marked

    def cover_arguments(
        self, tool: ToolSpec | str, arguments: Mapping[str, JsonValue], known: Secrets
    ) -> JsonValue:
        """As `cover`, for the arguments of a call: by the marks of the tool's schema too."""
        if isinstance(tool, ToolSpec):
            self.know(tool)
        name = tool if isinstance(tool, str) else tool.name
        value: JsonValue = dict(arguments)
        if name in self._marked:
            value = cover_marked(self._marked[name], dict(arguments), lambda item: _cover_all(item, known))
        return self.cover(value, f"{name}.arguments", known)

    def cover(self, value: JsonValue, path: str, known: Secrets) -> JsonValue:
        """Replace secrets by name or rule, and remember them in `known`.

        Args:
            value: any JSON value.
            path: path of the value; see `Rule`.
            known: receives the secrets; `known.hide` then finds them elsewhere.
        """
        for finder in self._finders:
            for secret in finder.find(value if isinstance(value, str) else "\n".join(all_texts(value))):
                known.add(secret)
        if isinstance(value, str):
            return (
                _cover_all(value, known)
                if self._by_rule(value, path)
                else self._cover_text(value, path, known)
            )
        texts = [] if self._always else self._texts.suspects(all_texts(value))
        return self._cover(value, path, known, texts)

    def _cover(self, value: JsonValue, path: str, known: Secrets, texts: Collection[str]) -> JsonValue:
        """As `cover`.

        Args:
            texts: keys and strings that could hold a secret or its name; not used if the user has
                rules.
        """
        if self._always and self._by_rule(value, path):
            return _cover_all(value, known)
        if isinstance(value, dict):
            return {
                key: _cover_all(item, known)
                if (self._always or key in texts) and self._names.is_secret(key)
                else self._cover(item, f"{path}.{key}" if self._always else "", known, texts)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._cover(item, f"{path}.{n}" if self._always else "", known, texts)
                for n, item in enumerate(value)
            ]
        if isinstance(value, str) and value and (self._always or value in texts):
            return self._cover_text(value, path, known)
        return value

    def _by_rule(self, value: JsonValue, path: str) -> bool:
        if self._paths is not None and self._paths.match(path):
            return True
        return any(function(path, value) for function in self._functions)

    def _cover_text(self, text: str, path: str, known: Secrets) -> str:
        for pattern in self._patterns:
            text = _outside_placeholders(pattern, text, known)
        found = self._texts.find(text)
        if not found:
            return text
        if text.lstrip()[:1] in ("{", "["):
            self._learn(text, path, known)
        return replaced(
            text,
            (
                (start, end, known.stand_in(value) if prose else known.add(value))
                for start, end, value, prose in found
            ),
        )

    def _learn(self, text: str, path: str, known: Secrets) -> None:
        """Remember the secrets of a JSON text by their keys; `known.hide` replaces them."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(value, str):
            self.cover(value, path, known)


def _cover_all(value: JsonValue, known: Secrets) -> JsonValue:
    return map_leaves(value, lambda leaf: leaf if leaf == "" else known.add(leaf))


def _outside_placeholders(pattern: re.Pattern[str], text: str, known: Secrets) -> str:
    pieces = _PLACEHOLDER.split(text)
    pieces[::2] = [
        pattern.sub(lambda found: known.add(found[0]) if found[0] else "", piece) for piece in pieces[::2]
    ]
    return "".join(pieces)
