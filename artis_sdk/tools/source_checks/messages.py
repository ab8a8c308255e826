"""Values and messages as the source makes them, with `{expression}` for what is filled in at run time."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from string import Formatter
from types import FunctionType
from typing import Any, Final

from artis_sdk.records.outcome_type import HOLE
from artis_sdk.tools.source_checks.code import NoSource, SourceCode, source_of
from artis_sdk.tools.source_checks.errors import names_of, shows_its_arguments
from artis_sdk.tools.source_checks.secrets import without_secrets
from artis_sdk.tools.source_checks.standing import Standing, View
from artis_sdk.tools.source_checks.static import body_of, class_member, mro_of, subclass
from artis_sdk.tools.source_checks.trees import bound_in, sum_of

_LONGEST: Final = 80  # characters of an expression
_LONGEST_TEXT: Final = 400
_DEEPEST: Final = 6
_PERCENT: Final = re.compile(r"%(?:\((\w+)\))?([-+# 0]*\d*(?:\.\d+)?)([sdrfgeExXia%])")
_FILLED: Final = re.compile(r"\{[^{}]*\}")
_WORD: Final = re.compile(r"\w+")


class Expression(str):
    """Source text of a whole value, `{expression}`: it stands for a value of any type, not for a text."""

    __slots__ = ()


def sketch(node: ast.expr, view: View, depth: int = 0) -> Any:
    """The value of an expression as JSON, with `{expression}` for parts that are filled in at run time."""
    if depth > _DEEPEST:
        return Expression("{...}")
    inner = depth + 1
    match node:
        case ast.Constant(value=str(text)):
            return without_secrets(text)
        case ast.Constant(value=value) if value is None or isinstance(value, int | float | bool):
            return value
        case ast.JoinedStr(values=values):
            return _cut("".join(_text(part, view, inner) for part in values))
        case ast.BinOp(op=ast.Add()):
            parts = [sketch(term, view, inner) for term in sum_of(node)]
            if all(isinstance(p, str) for p in parts) and not all(isinstance(p, Expression) for p in parts):
                return _cut("".join(parts))
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod(), right=given):
            return _percent(text, given, view)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return _formatted(text, node, view)
        case ast.Call(func=ast.Name(id="str"), args=[only], keywords=[]):
            made = sketch(only, view, inner)
            return (
                made if isinstance(made, str) else str(made) if isinstance(made, int) else _whole(node, view)
            )
        case ast.Dict(keys=keys, values=values) if all(keys):
            names = [sketch(k, view, inner) for k in keys if k is not None]
            return {str(k): sketch(v, view, inner) for k, v in zip(names, values, strict=True)}
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [sketch(e, view, inner) for e in elements]
        case ast.ListComp(elt=element):
            return [sketch(element, view.without(bound_in(node)), inner), "..."]
    return _whole(node, view)


def open_shape(value: Any) -> Any:
    """A sketch with `HOLE` where an expression stands, as failures are told from successes."""
    if isinstance(value, dict):
        return {key: open_shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [open_shape(item) for item in value]
    return _FILLED.sub(HOLE, value) if isinstance(value, str) else value


def plainly(answer: Any, own: Mapping[str, str]) -> Any:
    """A sketch with a helper's names as its source has them, where the tool's own do not stand beside them.

    Args:
        answer: the sketch.
        own: those names, by what they are called in conditions, such as `id_in__get`.
    """
    words = {word for filled in _filled_in(answer) for word in _WORD.findall(filled)}
    names = {new: name for new, name in own.items() if new in words and name not in words}
    return _named(answer, names) if names else answer


def _filled_in(answer: Any) -> Iterator[str]:
    """What is filled in at run time."""
    if isinstance(answer, str):
        yield from _FILLED.findall(answer)
    for one in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from _filled_in(one)


def _named(answer: Any, names: Mapping[str, str]) -> Any:
    if isinstance(answer, dict):
        return {key: _named(item, names) for key, item in answer.items()}
    if isinstance(answer, list):
        return [_named(item, names) for item in answer]
    if not isinstance(answer, str):
        return answer
    made = _FILLED.sub(lambda found: _WORD.sub(lambda word: names.get(word[0], word[0]), found[0]), answer)
    return Expression(made) if isinstance(answer, Expression) else made


def message(error: type[BaseException], call: ast.Call, view: View, depth: int = 0) -> Any:
    """The text of an exception that a call makes, by its own `__init__` and `__str__` if it has them."""
    shown = class_member(error, "__str__")
    made = _init_of(error) if depth <= _DEEPEST else None
    if made is not None:
        inner = _inside(made, call, view)
        if type(shown) is FunctionType:
            return _returned(shown, inner)
        onward = _onward(made.node)
        if onward is not None:
            base = _next(error, made.function)
            return message(base, onward, inner, depth + 1) if base is not None else ""
    elif type(shown) is FunctionType:
        return _returned(shown, view)
    return _of_arguments(error, call, view)


def bound(source: SourceCode, call: ast.Call, view: View) -> dict[str, ast.expr]:
    """What a called function's parameters stand for: the caller's expressions, and its object for `self`."""
    arguments = source.node.args
    every = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    values: dict[str, ast.expr] = {}
    places = list(call.args)
    if every[:1] in (["self"], ["cls"]):
        first = every.pop(0)
        if any(isinstance(one, ast.Name) and one.id == "self" for one in places[:1]):
            values[first] = view.substituted(places.pop(0))  # an unbound method, as a decorator calls it
        elif isinstance(call.func, ast.Attribute):
            values[first] = view.substituted(call.func.value)
    given: dict[str, ast.expr] = {}
    for name, value in zip(every, places, strict=False):
        if isinstance(value, ast.Starred):
            break
        given[name] = value
    known = {*every, *(a.arg for a in arguments.kwonlyargs)}
    given |= {k.arg: k.value for k in call.keywords if k.arg in known}
    made = {name: view.substituted(value) for name, value in given.items()}
    return values | _defaults(arguments) | made if _whole_call(call) else values | made


def _whole_call(call: ast.Call) -> bool:
    """Whether all arguments are named or placed, so that the rest has its defaults."""
    starred = any(isinstance(one, ast.Starred) for one in call.args)
    return not starred and all(keyword.arg is not None for keyword in call.keywords)


def _defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    """Constants that parameters have without an argument."""
    every = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(every), reversed(arguments.defaults), strict=False)]
    pairs += [
        (a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
    ]
    return {a.arg: d for a, d in pairs if isinstance(d, ast.Constant)}


# --- parts of texts -------------------------------------------------------------------------------


def _whole(node: ast.expr, view: View) -> Any:
    made = view.substituted(node)
    if isinstance(made, ast.Constant) and made.value is not ...:
        return made.value
    if isinstance(made, ast.JoinedStr) and not isinstance(node, ast.JoinedStr):
        return sketch(made, View(view.names, Standing()))
    return Expression(f"{{{ast.unparse(made)[:_LONGEST]}}}")


def _text(part: ast.expr, view: View, depth: int) -> str:
    if not isinstance(part, ast.FormattedValue):
        return str(sketch(part, view, depth))
    how = "" if part.conversion < 0 else f"!{chr(part.conversion)}"
    if part.format_spec is not None:
        spec = sketch(part.format_spec, view, depth)
        how += f":{spec}" if spec else ""
    return _filled(part.value, how, view, depth)


def _filled(node: ast.expr, how: str, view: View, depth: int = 0) -> str:
    """`{expression!r:.2f}`; a constant as it is."""
    if not how:
        return str(sketch(node, view, depth))
    return f"{{{ast.unparse(view.substituted(node))[:_LONGEST]}{how}}}"


def _percent(text: str, given: ast.expr, view: View) -> Any:
    """`"%d of %.2f" % (x, y)`"""
    values = iter(given.elts if isinstance(given, ast.Tuple) else [given])
    named = (
        {k.value: v for k, v in zip(given.keys, given.values, strict=True) if isinstance(k, ast.Constant)}
        if isinstance(given, ast.Dict)
        else {}
    )

    def fill(found: re.Match[str]) -> str:
        key, flags, kind = found.groups()
        if kind == "%":
            return "%"
        value = named.get(key) if key else next(values, None)
        if value is None:
            return "{...}"
        how = {"r": "!r", "a": "!a"}.get(kind, "")
        spec = flags + ("" if kind in "sra" or (kind in "di" and not flags) else kind)
        return _filled(value, how + (f":{spec}" if spec else ""), view)

    return _cut(_PERCENT.sub(fill, without_secrets(text)))


def _formatted(text: str, call: ast.Call, view: View) -> Any:
    """`"{} of {name!r}".format(x, name=y)`"""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    made, place = [], 0
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            made.append(without_secrets(literal))
            if name is None:
                continue
            place, name = (place + 1, str(place)) if not name else (place, name)
            index = int(name) if name.isdigit() else -1
            value = call.args[index] if 0 <= index < len(call.args) else named.get(name)
            how = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            made.append("{...}" if value is None else _filled(value, how, view))
    except ValueError:  # not a format
        return _whole(call, view)
    return _cut("".join(made))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


# --- exceptions -----------------------------------------------------------------------------------


def _of_arguments(error: type[BaseException], call: ast.Call, view: View) -> Any:
    """What an exception that keeps its arguments shows of them."""
    arguments = [one for one in call.args if not isinstance(one, ast.Starred)]
    if len(arguments) != len(call.args):
        return "{...}"
    if not arguments:
        return ""
    if subclass(error, BaseExceptionGroup):
        inner = getattr(arguments[-1], "elts", None)
        count = "{...}" if inner is None else str(len(inner))
        return f"{_filled(arguments[0], '', view)} ({count} sub-exception{'' if count == '1' else 's'})"
    if subclass(error, OSError) and len(arguments) in (2, 3):
        number, said, *file = arguments
        end = f": {_quoted(file[0], view)}" if file else ""
        return f"[Errno {_filled(number, '', view)}] {_filled(said, '', view)}{end}"
    if len(arguments) > 1:
        return f"({', '.join(_quoted(one, view) for one in arguments)})"
    return _quoted(arguments[0], view) if subclass(error, KeyError) else sketch(arguments[0], view)


def _quoted(node: ast.expr, view: View) -> str:
    """As `repr` shows a value."""
    made = sketch(node, view)
    if isinstance(made, Expression):
        return f"{made[:-1]}!r}}"
    if isinstance(made, list):
        inner = ", ".join(_quoted(one, view) for one in getattr(node, "elts", []))
        return f"[{inner}]" if isinstance(node, ast.List) else f"({inner})"
    return f"'{made}'" if isinstance(made, str) and "'" not in made else repr(made)


def _init_of(error: type[BaseException]) -> SourceCode | None:
    """The source of an exception's own `__init__`; None without one that can be read."""
    made = class_member(error, "__init__")
    if shows_its_arguments(error) or type(made) is not FunctionType:
        return None
    if made.__code__.co_filename.startswith("<string>"):  # a dataclass's
        return None
    try:
        return source_of(made)
    except NoSource:
        return None


def _inside(made: SourceCode, call: ast.Call, view: View) -> View:
    """An exception's `__init__` with the arguments of a call; its attributes are known by what it assigns."""
    values = {name: value for name, value in bound(made, call, view).items() if name != "self"}
    inner = View(names_of(made), Standing(values))
    for statement in made.node.body:
        match statement:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                inner.standing.values[f"self.{name}"] = inner.substituted(value)
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), value=value):
                if value is not None:
                    inner.standing.values[f"self.{name}"] = inner.substituted(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                inner.standing.values[name] = inner.substituted(value)
    return inner


def _onward(node: ast.AST) -> ast.Call | None:
    """The call of the base's `__init__`, without its object."""
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__")):
                return inner
            case ast.Call(func=ast.Attribute(attr="__init__"), args=[ast.Name(id="self"), *rest]):
                return ast.Call(inner.func, rest, inner.keywords)
    return None


def _next(error: type[BaseException], init: FunctionType) -> type[BaseException] | None:
    """The base that an `__init__` calls by `super()`."""
    bases = mro_of(error)
    for place, base in enumerate(bases):
        if body_of(base).get("__init__") is init:
            return bases[place + 1] if subclass(bases[place + 1], BaseException) else None
    return None


def _returned(function: FunctionType, view: View) -> Any:
    """What a `__str__` with one statement returns."""
    try:
        source = source_of(function)
    except NoSource:
        return "{...}"
    match source.node.body:
        case [*_, ast.Return(value=value)] if value is not None:
            return sketch(value, View(names_of(source), view.standing))
    return "{...}"
