"""What counts as a failure of a tool, and what its callers see of one."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from artis_sdk.errors import ArtisError, ToolDefinitionError, ToolFailure
from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import type_name

Classifier = Callable[[Any], "str | None"]
"""Given a returned value or an exception: the failure type, or None where it is not for it to say."""

UNCLASSIFIED = "unclassified"
"""The failure type of a value that a tool's own classifier raised on: no success may be assumed."""

Failures = type[Exception] | Classifier | Iterable["type[Exception] | Classifier"]


NotExecutedWhen = (
    type[Exception] | Callable[[Any], bool] | Iterable["type[Exception] | Callable[[Any], bool]"]
)
"""Which of a tool's failures are certain to have had no effect: exception types, and functions that are
given a failed call's exception or returned value and say whether nothing happened."""


@dataclass(frozen=True, slots=True)
class FailureRules:
    """A tool's `failures=`: the exceptions it declares, and classifiers, asked in order."""

    exceptions: tuple[type[Exception], ...] = ()
    classifiers: tuple[Classifier, ...] = ()

    @classmethod
    def of(cls, tool: str, failures: Failures | None) -> FailureRules:
        """Raises `ToolDefinitionError` for anything but exception types and callables."""
        return cls(*_sorted(tool, "failures", failures))

    def classify(self, result: Any) -> str | None:
        """The failure type of a returned value or an exception; None for a success.

        An exception that no classifier names is typed by its class. Raises whatever a classifier raises.
        """
        for classifier in self.classifiers:
            name = _word(classifier(result))
            if name is not None:
                return name
        kind = type(result)  # `isinstance` would ask the value itself
        if issubclass(kind, ToolFailure):
            return _word(result.failure_type)
        return type_name(result) if issubclass(kind, BaseException) else None

    def exception(self, tool: str, failure_type: str, message: str, scope: Mapping[str, Any]) -> Exception:
        """The exception that the real tool's caller would see.

        Args:
            tool: the tool's name.
            failure_type: the name of an exception class, or a classifier's word.
            message: what the exception says.
            scope: the names that the tool's code sees, in which the classes that it raises are found.

        Returns:
            An instance of the class of that name that the tool declares, knows or Python has, if one
            can be made from a message alone; else a `ToolFailure`.
        """
        known = _by_name(self.exceptions, failure_type)
        for candidate in (known, scope.get(failure_type), getattr(builtins, failure_type, None)):
            if isinstance(candidate, type) and issubclass(candidate, Exception):
                if issubclass(candidate, ArtisError):
                    break
                try:
                    return candidate(message)
                except (TypeError, ValueError, LookupError, AttributeError):
                    break  # it wants more than a message
        return ToolFailure(tool, failure_type, message)


def _word(name: Any) -> str | None:
    """What a classifier gave as a failure type: no exception may come of it, as the call has been made."""
    plain = jsonable(name)
    if plain is None or plain is False:
        return None
    return "failure" if plain is True else plain if isinstance(plain, str) else json.dumps(plain)


NO_RULES = FailureRules()


@dataclass(frozen=True, slots=True)
class NoEffectRules:
    """A tool's `not_executed=`: of which failures it is certain that nothing happened."""

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
    """Exception types and callables, apart; raises `ToolDefinitionError` for anything else."""
    exceptions: list[type[Exception]] = []
    classifiers: list[Callable[[Any], Any]] = []
    for rule in () if given is None else given if isinstance(given, Iterable) else (given,):
        if isinstance(rule, type):
            if not issubclass(rule, Exception):
                raise ToolDefinitionError(f"{tool}: {option}={rule.__name__} is no Exception")
            exceptions.append(rule)
        elif callable(rule):
            classifiers.append(rule)
        else:
            raise ToolDefinitionError(f"{tool}: {option}={rule!r} is no exception type or callable")
    return tuple(exceptions), tuple(classifiers)


def _by_name(classes: Iterable[type[Exception]], name: str) -> type[Exception] | None:
    for cls in classes:
        found = cls if cls.__name__ == name else _by_name(cls.__subclasses__(), name)
        if found is not None:
            return found
    return None
