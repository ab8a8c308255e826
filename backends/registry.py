"""Backends by name: `openai:gpt-5-mini` is the entry point `openai` called with `gpt-5-mini`."""

from __future__ import annotations

import inspect
from ast import literal_eval
from collections.abc import Callable, Mapping
from typing import Any

from artis_sdk.contracts import Backend
from artis_sdk.entry_points import find, registered
from artis_sdk.errors import ConfigurationError

_KINDS: dict[str, Callable[[Any], bool]] = {
    "None": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "Mapping[str, Any]": lambda value: isinstance(value, Mapping),
    "Mapping[str, str]": lambda value: (
        isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())
    ),
    "RetryPolicy": lambda value: any(one.__name__ == "RetryPolicy" for one in type(value).__mro__),
}
"""Whether a value fits an annotation; settings files and variables give any. Others are not checked, but for
`Literal`."""


def resolve(spec: str | Backend, **options: Any) -> Backend:
    """Find a backend by name and make it. Nothing is sent anywhere yet.

    A third party's entry point in `artis_sdk.backends` names a callable `(model, **options) -> Backend`.

    Args:
        spec: `PREFIX:MODEL`, such as `openai:gpt-5-mini` or `llama_cpp:model.gguf`; or a backend,
            which is returned unchanged.
        **options: options of the backend, such as `base_url`, `api_key`, `timeout` (seconds).

    Raises:
        ConfigurationError: the prefix or an option is unknown, an option is of another kind, or a needed
            setting is missing.
        MissingExtraError: the backend's own library is not installed.
    """
    if not isinstance(spec, str):
        if options:
            raise ConfigurationError(
                f"{spec.name} is already made: pass its options ({', '.join(options)}) where it is made"
            )
        return spec
    prefix, _, model = spec.partition(":")
    if not prefix or not model:
        raise ConfigurationError(f"{spec!r} names no model: write PREFIX:MODEL; {_known()}")
    factory = _factory(prefix)
    _check_options(spec, factory, model, options)
    backend: Backend = factory(model, **options)
    return backend


def known_prefixes() -> tuple[str, ...]:
    """Every prefix that `resolve` can find here, installed SDK or not."""
    return registered("backend")


def takes(spec: str, option: str) -> bool:
    """Whether the backend of this name has this option.

    Raises:
        ConfigurationError: the prefix is unknown.
        MissingExtraError: the backend's own library is not installed.
    """
    return option in inspect.signature(_factory(spec.partition(":")[0])).parameters


def _factory(prefix: str) -> Any:
    found = find("backend", prefix)
    if found is None:
        raise ConfigurationError(f"no backend is called {prefix!r}; {_known()}")
    return found


def _check_options(spec: str, factory: Any, model: str, options: dict[str, Any]) -> None:
    signature = inspect.signature(factory)
    try:
        signature.bind(model, **options)
    except TypeError as error:
        taken = [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
        raise ConfigurationError(f"{spec}: {error}; it takes {', '.join(taken) or 'no options'}") from None
    for name, value in options.items():
        taken_by = signature.parameters.get(name)  # None for one of `**options`
        kinds = () if taken_by is None else str(taken_by.annotation).split(" | ")
        if kinds and not any(_fits(kind, value) for kind in kinds):
            wanted = " or ".join(kind for kind in kinds if kind != "None")
            raise ConfigurationError(f"{spec}: {name} must be {wanted}, not {type(value).__name__}")


def _fits(kind: str, value: Any) -> bool:
    if kind.startswith("Literal["):
        return value in literal_eval(kind.removeprefix("Literal"))
    return kind not in _KINDS or _KINDS[kind](value)


def _known() -> str:
    return f"known prefixes: {', '.join(known_prefixes())}"
