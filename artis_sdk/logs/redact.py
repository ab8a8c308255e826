"""Detection of secrets, and redaction before anything is written.

A value is secret by its name (`password`, `api_key`, ...), by its type (`SecretStr`), or by a rule of the
user. It is replaced wherever its text occurs in the written data: also in a model's raw text or an error.
"""

from __future__ import annotations

import json
import re
import secrets as random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from operator import attrgetter
from typing import Any, Protocol

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs.leaves import Leaves, all_texts, exchanged, leaves, renamed
from artis_sdk.logs.secret_budget import SecretBudget
from artis_sdk.logs.secret_named import SecretNamed, cover_all
from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.logs.secret_places import Place
from artis_sdk.logs.secret_schema import cover_marked, has_marks
from artis_sdk.logs.secret_text import SecretTexts
from artis_sdk.logs.secret_types import secret_values
from artis_sdk.logs.secrets import PLACEHOLDER, Secrets, replaced
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
_outcome_texts = attrgetter(*OUTCOME_TEXTS)
_size = attrgetter("size")
_PLACEHOLDER = re.compile(f"({PLACEHOLDER})")


@lru_cache(maxsize=64)
def _by_name(names: tuple[str, ...], allow: tuple[str, ...]) -> tuple[SecretNames, SecretTexts, SecretNamed]:
    """Redactors with the same names share what was worked out of them: every session has one."""
    found = SecretNames(names, allow)
    texts = SecretTexts(found)
    return found, texts, SecretNamed(found, texts)


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
        self._names, self._texts, self._named = _by_name(tuple(names), tuple(allow))
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
        if given is not None:
            for secret in secret_values(given):
                known.add(secret)
        plain = dict(arguments)
        if isinstance(tool, ToolSpec) and self._seen.get(tool.name) is not tool:
            self.know(tool)
        name = tool if isinstance(tool, str) else tool.name
        if not known.size and not self._may_hold(plain, (name,)):
            return plain
        hidden = self._hidden(self._cover_marks(name, plain, known), f"{name}.arguments", known)
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
        if returned is not None:
            for secret in secret_values(returned):
                known.add(secret)
        name = tool if isinstance(tool, str) else tool.name
        if isinstance(tool, ToolSpec) and self._seen.get(tool.name) is not tool:
            self.know(tool)
        fields = dict(zip(OUTCOME_TEXTS, _outcome_texts(outcome), strict=True))
        arguments = dict(arguments)
        if not known.size and not self._may_hold([arguments, *fields.values()], (name,)):
            return outcome
        self.cover_arguments(tool, arguments, known)
        hidden = self._hidden(fields, f"{name}.outcome", known)
        assert isinstance(hidden, dict)
        return outcome if hidden is fields else outcome.model_copy(update=hidden)

    # --- in pieces, for a record --------------------------------------------------------------

    def may_hold(self, text: str) -> bool:
        """Whether a value of this JSON text could hold a secret by name or rule; False is certain."""
        return self._always or bool(self._finders) or self._texts.may_hold(text)

    def finds_none(self, parts: Leaves, tools: Collection[str] = ()) -> bool:
        """Whether `cover` and `cover_arguments` find no secret in a value of these parts, wherever it
        stands. True is certain; False where they must look closer.

        Args:
            parts: the parts of a value, or of all values of a record.
            tools: tools of whose calls the value holds arguments.
        """
        if self._always or self._finders or not self._marked.keys().isdisjoint(tools):
            return False
        keys, texts, _ = parts
        if not self._texts.may_hold("\n".join((*keys, *texts))):
            return True
        if not self._named.none_in(parts):
            return False
        suspects = self._texts.suspects([*(keys | texts)])
        return not any(True for text, places in suspects for _ in self._texts.find(text, places))

    def is_clear(self, value: JsonValue, tools: Collection[str], *known: Secrets) -> bool:
        """Whether neither `finds_none` nor a search for the known secrets finds one in a value. True is
        certain.

        Most values hold no word that tells of a secret, and most sessions know of none: then the JSON text
        says so at once.

        Args:
            value: any JSON value.
            tools: tools of whose calls the value holds arguments.
            known: the session's secrets.
        """
        if not any(map(_size, known)) and not self._may_hold(value, tools):
            return True
        parts = leaves(value)
        return self.finds_none(parts, tools) and all(secrets.has_none(parts) for secrets in known)

    def _may_hold(self, value: JsonValue, tools: Collection[str]) -> bool:
        if self._always or self._finders or (self._marked and not self._marked.keys().isdisjoint(tools)):
            return True
        try:
            text = to_json(value)
        except (PydanticSerializationError, UnicodeEncodeError):  # too deep, or half of a surrogate pair
            return True
        return self._texts.may_hold(text)

    def marks(self, tool: str) -> bool:
        """Whether the schema of the tool of this name marks parameters as secret."""
        return tool in self._marked

    def cover_arguments(
        self, tool: ToolSpec | str, arguments: Mapping[str, JsonValue], known: Secrets
    ) -> JsonValue:
        """As `cover`, for the arguments of a call: by the marks of the tool's schema too."""
        if isinstance(tool, ToolSpec) and self._seen.get(tool.name) is not tool:
            self.know(tool)
        name = tool if isinstance(tool, str) else tool.name
        return self.cover(self._cover_marks(name, dict(arguments), known), f"{name}.arguments", known)

    def _cover_marks(self, tool: str, arguments: dict[str, JsonValue], known: Secrets) -> JsonValue:
        if tool not in self._marked:
            return arguments
        return cover_marked(self._marked[tool], arguments, lambda item: cover_all(item, known))

    def cover(self, value: JsonValue, path: str, known: Secrets) -> JsonValue:
        """Replace secrets by name or rule, and remember them in `known`; the same object if it has none.

        Args:
            value: any JSON value.
            path: path of the value; see `Rule`.
            known: receives the secrets; `known.hide` then finds them elsewhere.
        """
        if isinstance(value, str):
            budget = SecretBudget(known, len(value))
            self._run_finders([value], budget)
            return (
                cover_all(value, budget)
                if self._by_rule(value, path)
                else self._cover_text(value, path, budget)
            )
        covered, _, texts = self._covered(value, path, known)
        return exchanged(covered, texts) if texts else covered

    def _hidden(self, value: JsonValue, path: str, known: Secrets) -> JsonValue:
        """The value without the secrets that it names and those that are known; the same object if it has
        none. As `cover` and then `known.hide`, with fewer passes."""
        covered, parts, texts = self._covered(value, path, known)
        keys, others, numbers = parts
        if texts:
            keys, others = ({texts.get(text, text) for text in group} for group in (keys, others))
        hidden = known.hidden_texts(Leaves(keys, others, numbers))
        if texts:
            hidden |= {text: hidden.get(new, new) for text, new in texts.items()}
        return exchanged(covered, hidden) if hidden else covered

    def _covered(
        self, value: JsonValue, path: str, known: Secrets
    ) -> tuple[JsonValue, Leaves, dict[str, str]]:
        """The value without what stands under names of secrets, its parts, and what takes the place of the
        texts in it that hold secrets."""
        parts = leaves(value)
        budget = SecretBudget(known, sum(map(len, parts.texts)) + sum(map(len, parts.keys)))
        if self._finders:
            self._run_finders(all_texts(value), budget)
        if self._always:
            value = self._cover_by_rule(value, path, budget)
            parts = leaves(value)
        return self._cover_found(value, parts, budget)

    def _run_finders(self, texts: Sequence[str], budget: SecretBudget) -> None:
        for finder in self._finders:
            for secret in finder.find("\n".join(texts)):
                budget.add(secret)

    def _cover_found(
        self, value: JsonValue, parts: Leaves, budget: SecretBudget
    ) -> tuple[JsonValue, Leaves, dict[str, str]]:
        """As `_covered`, without the user's rules: each text is read once, however often it occurs."""
        if not self._texts.may_hold("\n".join((*parts.keys, *parts.texts))):
            return value, parts, {}
        value, parts = self._named.cover(value, parts, budget)
        covered: dict[str, str] = {}
        for text, places in self._texts.suspects([*(parts.keys | parts.texts)]):
            new = self._cover_text(text, "", budget, places)
            if new is not text:
                covered[text] = new
        return value, parts, covered

    def _cover_by_rule(self, value: JsonValue, path: str, budget: SecretBudget) -> JsonValue:
        if self._by_rule(value, path):
            return cover_all(value, budget)
        if isinstance(value, dict):
            covered = {
                key: cover_all(item, budget)
                if self._names.is_secret(key)
                else self._cover_by_rule(item, f"{path}.{key}", budget)
                for key, item in value.items()
            }
            return renamed(covered, {key: self._cover_text(key, path, budget) for key in covered})
        if isinstance(value, list):
            return [self._cover_by_rule(item, f"{path}.{n}", budget) for n, item in enumerate(value)]
        return self._cover_text(value, path, budget) if isinstance(value, str) and value else value

    def _by_rule(self, value: JsonValue, path: str) -> bool:
        if self._paths is not None and self._paths.match(path):
            return True
        return any(function(path, value) for function in self._functions)

    def _cover_text(
        self, text: str, path: str, budget: SecretBudget, places: Iterable[Place] | None = None
    ) -> str:
        """The text with placeholders for its secrets; the same object if it has none."""
        for pattern in self._patterns:
            new = _outside_placeholders(pattern, text, budget)
            if new != text:  # the places were those of the text as it stood
                text, places = new, None
        spans: list[tuple[int, int, str]] = []
        for start, end, value, prose in self._texts.find(text, places):
            if budget.spent:
                return budget.known.one_of_many
            spans.append((start, end, budget.pass_by(value) if prose else budget.add(value)))
        if not spans:
            return text
        if text.lstrip()[:1] in ("{", "["):
            self._learn(text, path, budget)
        return replaced(text, spans)

    def _learn(self, text: str, path: str, budget: SecretBudget) -> None:
        """Remember the secrets of a JSON text by their keys; `known.hide` replaces them."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return
        if isinstance(value, str):
            return
        if self._always:
            value = self._cover_by_rule(value, path, budget)
        self._cover_found(value, leaves(value), budget)


def _outside_placeholders(pattern: re.Pattern[str], text: str, budget: SecretBudget) -> str:
    pieces = _PLACEHOLDER.split(text)
    pieces[::2] = [
        pattern.sub(lambda found: budget.add(found[0]) if found[0] else "", piece) for piece in pieces[::2]
    ]
    return "".join(pieces)
