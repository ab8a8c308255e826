"""What well-known calls raise: Python's own, the standard library, HTTP clients, databases and AWS."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

from artis_sdk.tools.source_checks.errors import is_error
from artis_sdk.tools.source_checks.shapes import NameTable
from artis_sdk.tools.source_checks.static import is_a, member, module_of
from artis_sdk.tools.source_checks.trees import written

_FILE: Final = ("builtins.FileNotFoundError", "builtins.PermissionError")
_VALUE: Final = ("builtins.ValueError",)

FUNCTIONS: Final[dict[str, tuple[str, ...]]] = {
    "int": _VALUE,
    "float": _VALUE,
    "open": _FILE,
    "next": ("builtins.StopIteration",),
    "json.loads": ("json.JSONDecodeError",),
    "json.load": ("json.JSONDecodeError",),
    "decimal.Decimal": ("decimal.InvalidOperation",),
    "uuid.UUID": _VALUE,
    "datetime.fromisoformat": _VALUE,
    "datetime.strptime": _VALUE,
    "date.fromisoformat": _VALUE,
    "zoneinfo.ZoneInfo": ("zoneinfo.ZoneInfoNotFoundError",),
    "subprocess.check_call": ("subprocess.CalledProcessError", "builtins.FileNotFoundError"),
    "subprocess.check_output": ("subprocess.CalledProcessError", "builtins.FileNotFoundError"),
    "subprocess.Popen": ("builtins.FileNotFoundError",),
    "urllib.request.urlopen": ("urllib.error.HTTPError", "urllib.error.URLError"),
    "os.remove": _FILE,
    "os.unlink": _FILE,
    "os.rename": _FILE,
    "os.listdir": _FILE,
    "os.mkdir": ("builtins.FileExistsError",),
    "os.makedirs": ("builtins.FileExistsError",),
    "sqlite3.connect": ("sqlite3.OperationalError",),
}
"""Exceptions of functions, by their names as a source writes them."""

_HTTP: Final = ("get", "post", "put", "patch", "delete", "head", "options", "request", "send", "stream")
_SQL: Final = ("sqlite3.OperationalError", "sqlite3.IntegrityError")
_ALCHEMY: Final = ("sqlalchemy.exc.IntegrityError", "sqlalchemy.exc.OperationalError")
METHODS: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("requests", ("raise_for_status",), ("requests.exceptions.HTTPError",)),
    ("httpx", ("raise_for_status",), ("httpx.HTTPStatusError",)),
    ("aiohttp", ("raise_for_status",), ("aiohttp.ClientResponseError",)),
    ("requests", _HTTP, ("requests.exceptions.ConnectionError", "requests.exceptions.Timeout")),
    ("httpx", _HTTP, ("httpx.ConnectError", "httpx.TimeoutException")),
    ("aiohttp", _HTTP, ("aiohttp.ClientConnectionError",)),
    ("sqlite3", ("execute", "executemany", "executescript", "commit"), _SQL),
    ("sqlalchemy", ("execute", "commit", "flush", "scalars", "scalar"), _ALCHEMY),
    (
        "sqlalchemy",
        ("one", "scalar_one"),
        ("sqlalchemy.exc.NoResultFound", "sqlalchemy.exc.MultipleResultsFound"),
    ),
    ("pathlib", ("read_text", "read_bytes", "unlink", "iterdir", "stat", "rename"), _FILE),
)
"""Package, methods, and the exceptions of the methods in code that uses the package."""

_AWS: Final = "botocore.exceptions.ClientError"
_NO_AWS_CALLS: Final = ("client", "resource", "Session", "get", "append", "items", "keys", "values", "format")


class KnownFailure(NamedTuple):
    """An exception that a call raises."""

    name: str
    """Name of its class."""
    error: type[BaseException] | None
    """The class, if its module is loaded."""


def failures_of_call(call: ast.Call, names: NameTable, used: frozenset[str]) -> Iterator[KnownFailure]:
    """The exceptions of a well-known call; none of another one.

    Args:
        call: the call.
        names: names of the function around it.
        used: packages that the code uses, see `packages`.
    """
    name = written(call.func)
    if name in ("int", "float") and _is_number(call):
        return
    if name.endswith("subprocess.run") or (name == "run" and "subprocess" in used):
        yield from _of_run(call)
        return
    tail = ".".join(name.split(".")[-2:])
    module = _module_of(call.func, names)
    for text in dict.fromkeys((name, tail, f"{module}.{name}" if module else name)):
        if text in FUNCTIONS and not (text == "next" and len(call.args) > 1):
            yield from map(_failure, FUNCTIONS[text])
            return
    if not isinstance(call.func, ast.Attribute):
        return
    method, of = call.func.attr, name.split(".")[0]
    for package, methods, errors in METHODS:
        if package in used and method in methods and (method not in _HTTP or _is_http(of, package)):
            yield from map(_failure, errors)
    if "git" in used and name.split(".")[1:][-2:-1] == ["git"]:  # GitPython makes `repo.git.log` of names
        yield _failure("git.exc.GitCommandError")
    aws = used & {"boto3", "botocore"} and method not in _NO_AWS_CALLS and _is_aws(of, method)
    if aws:
        yield _failure(_AWS)


def failure_of_access(node: ast.Subscript) -> KnownFailure | None:
    """The exception of `d["key"]` and `items[0]`; None of a slice."""
    match node.slice:
        case ast.Slice():
            return None
        case ast.Constant(value=int()) | ast.UnaryOp(operand=ast.Constant(value=int())):
            return KnownFailure("IndexError", IndexError)
        case _:
            return KnownFailure("KeyError", KeyError)


def packages(node: ast.AST, scope: dict[str, Any]) -> frozenset[str]:
    """The packages that a function uses: those of its module's globals, and those that it imports."""
    used = (value for value in scope.values() if callable(value) or is_a(value, ModuleType))
    found = {module_of(value).partition(".")[0] for value in used}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in inner.names}
        elif isinstance(inner, ast.ImportFrom):
            found.add((inner.module or "").partition(".")[0])
    return frozenset(found)


def _of_run(call: ast.Call) -> Iterator[KnownFailure]:
    yield _failure("builtins.FileNotFoundError")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    check = given.get("check")
    if isinstance(check, ast.Constant) and check.value is True:
        yield _failure("subprocess.CalledProcessError")
    if "timeout" in given:
        yield _failure("subprocess.TimeoutExpired")


def _is_number(call: ast.Call) -> bool:
    """Whether `int(x)` cannot fail, as of a literal, a length or a rounded number."""
    first = call.args[0] if call.args else ast.Constant(0)
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Name):
        return first.func.id in ("len", "round", "abs", "sum")
    return isinstance(first, ast.Constant) and isinstance(first.value, int | float)


def _is_http(receiver: str, package: str) -> bool:
    return receiver in (package, "session", "client", "http", "self", "_client", "_session")


def _is_aws(receiver: str, method: str) -> bool:
    return receiver != "boto3" and "_" in method


def _module_of(node: ast.expr, names: NameTable) -> str:
    """The module of a function that was imported by its name."""
    found = names.value(node) if isinstance(node, ast.Name) else None
    return module_of(found) if callable(found) else ""


def _failure(path: str) -> KnownFailure:
    module, _, name = path.rpartition(".")
    loaded = sys.modules.get(module)
    found = None if loaded is None else member(loaded, name)
    return KnownFailure(name, found if is_error(found) else None)
