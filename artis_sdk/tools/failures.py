"""The rules for a tool's failures, and the exceptions that its callers see."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from artis_sdk.errors import ArtisError, ToolDefinitionError, ToolFailure
from artis_sdk.records import Outcome, Provenance
from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import type_name

Classifier = Callable[[Any], "str | None"]
"""Function of a returned value or an exception: the failure type, or None where it does not apply."""

UNCLASSIFIED = "unclassified"
"""The failure type of a value on which a tool's classifier raised: success may not be assumed."""

Failures = type[Exception] | Classifier | Iterable["type[Exception] | Classifier"]


NotExecutedWhen = (
    type[Exception] | Callable[[Any], bool] | Iterable["type[Exception] | Callable[[Any], bool]"]
)
"""A tool's failures that certainly had no effect: exception types, and functions of a failed call's
exception or returned value that return True if nothing happened."""


@dataclass(frozen=True, slots=True)
class FailureRules:
    """A tool's `failures=`: the exceptions it declares, and classifiers, tried in order."""

    exceptions: tuple[type[Exception], ...] = ()
    classifiers: tuple[Classifier, ...] = ()

    @classmethod
    def of(cls, tool: str, failures: Failures | None) -> FailureRules:
        """Raises `ToolDefinitionError` for anything but exception types and callables."""
        return cls(*_sorted(tool, "failures", failures))

    @property
    def declares(self) -> bool:
        """Whether a function of the user's says of every returned value what it is."""
        return bool(self.classifiers)

    def classify(self, result: Any) -> str | None:
        """The failure type of a returned value or an exception; None for a success.

        An exception that no classifier names is typed by its class. A classifier's exceptions pass.
        """
        for classifier in self.classifiers:
            name = _word(classifier(result))
            if name is not None:
                return name
        kind = type(result)  # `isinstance` would run the value's own code
        if issubclass(kind, ToolFailure):
            return _word(result.failure_type)
        return type_name(result) if issubclass(kind, BaseException) else None

    def outcome(
        self, value: Any, shown: JsonValue, provenance: Provenance, duration: float | None
    ) -> Outcome:
        """A returned value as an outcome; `shown` is the value that models and logs see."""
        found = self.classify(value)
        more: dict[str, Any] = {"declared": self.declares, "duration": duration}
        return Outcome(ok=found is None, value=shown, failure_type=found, provenance=provenance, **more)

    def observed(self, value: Any, shown: Any) -> tuple[Any, tuple[str, str] | str | None]:
        """See `contracts.ObservedTool.observed`; `shown` is as for `outcome`."""
        return shown, self.classify(value)

    def exception(self, tool: str, failure_type: str, message: str, scope: Mapping[str, Any]) -> Exception:
        """The exception that the real tool's caller would see.

        Args:
            tool: the tool's name.
            failure_type: the name of an exception class, or a classifier's word.
            message: the exception's text.
            scope: the code's global names, to look up the classes that it raises.

        Returns:
            An instance of the class of that name among the tool's declared exceptions, its global names
            and Python's own, if a message alone makes one; else a `ToolFailure`.
        """
        known = _by_name(self.exceptions, failure_type)
        for candidate in (known, scope.get(failure_type), getattr(builtins, failure_type, None)):
            if isinstance(candidate, type) and issubclass(candidate, Exception):
                if issubclass(candidate, ArtisError):
                    break
                try:
                    return candidate(message)
                except (TypeError, ValueError, LookupError, AttributeError):
                    break  # it needs more than a message
        return ToolFailure(tool, failure_type, message)


def _word(name: Any) -> str | None:
    """A classifier's failure type as text: must not raise, because the call has been made."""
    plain = jsonable(name)
    if plain is None or plain is False:
        return None
    return "failure" if plain is True else plain if isinstance(plain, str) else json.dumps(plain)


NO_RULES = FailureRules()


@dataclass(frozen=True, slots=True)
class NoEffectRules:
    """A tool's `not_executed=`: the failures that certainly had no effect."""

    exceptions: tuple[type[Exception], ...] = ()
    classifiers: tuple[Callable[[Any], bool], ...] = ()

    @classmethod
    def of(cls, tool: str, when: NotExecutedWhen | None) -> NoEffectRules:
        """Raises `ToolDefinitionError` for anything but exception types and callables."""
        return cls(*_sorted(tool, "not_executed", when))

    def hold(self, failed: Any) -> bool:
        """Whether a failed call had no effect, by its exception or returned value."""
        return isinstance(failed, self.exceptions) or any(says(failed) for says in self.classifiers)


NO_EFFECT_RULES = NoEffectRules()


def _sorted(
    tool: str, option: str, given: Any
) -> tuple[tuple[type[Exception], ...], tuple[Callable[[Any], Any], ...]]:
    """Exception types, and callables; raises `ToolDefinitionError` for anything else."""
    exceptions: list[type[Exception]] = []
    classifiers: list[Callable[[Any], Any]] = []
    several = isinstance(given, Iterable) and not isinstance(given, str)
    for rule in () if given is None else given if several else (given,):
        if isinstance(rule, type):
            if not issubclass(rule, Exception):
                raise ToolDefinitionError(
                    f"{tool}: {option}={rule.__name__} is not an exception class that derives from Exception"
                )
            exceptions.append(rule)
        elif callable(rule):
            classifiers.append(rule)
        else:
            raise ToolDefinitionError(
                f"{tool}: {option}={rule!r} is neither an exception class nor a callable"
            )
    return tuple(exceptions), tuple(classifiers)


def _by_name(classes: Iterable[type[Exception]], name: str) -> type[Exception] | None:
    for cls in classes:
        found = cls if cls.__name__ == name else _by_name(cls.__subclasses__(), name)
        if found is not None:
            return found
    return None
