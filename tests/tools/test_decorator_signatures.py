"""Outside every session a guarded function takes any call of any signature as the plain function does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from artis_sdk.contracts import ObservedCall
from artis_sdk.tools import Toolset, add_observer, guarded_tool, remove_observer

NAMES = ["a", "b", "key", "self", "artis_function", "_0"]
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@st.composite
def signatures(draw: st.DrawFn) -> inspect.Signature:
    """Valid signatures with every kind of parameter and defaults."""
    kinds = sorted(draw(st.lists(st.sampled_from(list(inspect._ParameterKind)), max_size=5)))
    parameters: list[inspect.Parameter] = []
    defaulted = False
    for name, kind in zip(NAMES, kinds, strict=False):
        variable = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if variable and any(p.kind == kind for p in parameters):
            continue
        if kind is inspect.Parameter.KEYWORD_ONLY:
            defaulted = False
        default: Any = inspect.Parameter.empty
        if not variable and (defaulted or draw(st.booleans())):
            defaulted = True
            default = draw(st.sampled_from([None, 0, 7, "x"]))
        parameters.append(inspect.Parameter(name, kind, default=default))
    return inspect.Signature(parameters)


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, int]]:
    args = draw(st.lists(st.integers(), max_size=4))
    kwargs = draw(st.dictionaries(st.sampled_from(NAMES), st.integers(), max_size=4))
    return tuple(args), kwargs


def function_of(signature: inspect.Signature, is_async: bool) -> Callable[..., Any]:
    """A function with this signature that returns its arguments."""
    scope: dict[str, Any] = {"defaults": {p.name: p.default for p in signature.parameters.values()}}
    text = ", ".join(
        str(p.replace(default=inspect.Parameter.empty))
        + (f"=defaults['{p.name}']" if _has_default(p) else "")
        for p in signature.parameters.values()
    )
    for kind, mark in ((inspect.Parameter.POSITIONAL_ONLY, "/"), (inspect.Parameter.KEYWORD_ONLY, "*")):
        text = _with_mark(signature, text, kind, mark)
    body = "{n: v for n, v in locals().items()}"
    exec(f"{'async ' if is_async else ''}def drawn({text}):\n    'Doc.'\n    return {body}", scope)
    made: Callable[..., Any] = scope["drawn"]
    return made


def _has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def _with_mark(signature: inspect.Signature, text: str, kind: Any, mark: str) -> str:
    names = list(signature.parameters.values())
    parts = text.split(", ") if text else []
    if mark == "/":
        last = max((i for i, p in enumerate(names) if p.kind is kind), default=None)
        if last is not None:
            parts.insert(last + 1, "/")
    elif not any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in names):
        first = next((i for i, p in enumerate(names) if p.kind is kind), None)
        if first is not None:
            parts.insert(first + ("/" in parts), "*")
    return ", ".join(parts)


def result_of(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        result = function(*args, **kwargs)
        if inspect.iscoroutine(result):
            result.send(None)
        return result
    except StopIteration as end:
        return end.value
    except TypeError as error:
        return str(error)


@settings(deadline=None)
@given(signatures(), calls(), st.booleans())
def test_any_call_of_any_signature_gives_the_same(signature: Any, call: Any, is_async: bool) -> None:
    plain = function_of(signature, is_async)
    guarded = guarded_tool(plain)
    assert result_of(guarded, *call) == result_of(plain, *call)
    assert inspect.signature(guarded) == inspect.signature(plain)
    assert inspect.iscoroutinefunction(guarded) == is_async
    tool = Toolset(guarded)["drawn"]
    assert result_of(tool, *call) == result_of(plain, *call)
    assert inspect.signature(tool) == inspect.signature(plain)


class Arguments:
    """Keeps what an observer is told of the arguments."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def called(self, call: ObservedCall) -> None:
        self.seen.append(dict(call.arguments))


@settings(deadline=None)
@given(signatures(), calls(), st.booleans())
def test_a_routed_call_keeps_its_arguments(signature: Any, call: Any, is_async: bool) -> None:
    unnamed = {p.name for p in signature.parameters.values() if p.kind not in BY_NAME}
    assume(
        not unnamed & call[1].keys()
    )  # one name for two arguments: a record by name cannot tell them apart
    plain, observer = function_of(signature, is_async), Arguments()
    guarded = guarded_tool(plain)
    add_observer(observer)
    try:
        assert result_of(guarded, *call) == result_of(plain, *call)
    finally:
        remove_observer(observer)
    try:
        bound = signature.bind(*call[0], **call[1])
    except TypeError:
        assert observer.seen == []
        return
    bound.apply_defaults()
    (arguments,) = observer.seen
    defaults = {p.name: p.default for p in signature.parameters.values() if _has_default(p)}
    kinds = {p.name: p.kind for p in signature.parameters.values()}
    for name, value in bound.arguments.items():
        if kinds[name] is inspect.Parameter.VAR_KEYWORD:
            assert arguments.items() >= value.items()
        elif kinds[name] is inspect.Parameter.VAR_POSITIONAL:
            assert list(value) == arguments.get(name, [])
        else:
            assert arguments.get(name, defaults.get(name)) == value
