"""What a simulator's prompt says of the tools' source: their checks in order, and the source itself."""

from __future__ import annotations

import ast
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from artis_sdk.contracts import Tool
from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Data, encode
from artis_sdk.tools import GuardedTool
from artis_sdk.tools.source_checks.code import plain_function
from artis_sdk.tools.source_checks.order import Check, Expression, ToolChecks, ordered_checks
from artis_sdk.tools.source_checks.read import read_tool
from artis_sdk.tools.source_checks.secrets import HIDDEN, secret_name, without_secrets
from artis_sdk.tools.source_checks.trees import FUNCTION, bounded

MOST_TOKENS: Final = 600
"""Tokens of one tool's source in a prompt."""
_CHARACTERS: Final = 3.2
"""Characters of a token of source, on the safe side: models' own counts are 3.3 to 4."""
_KEPT: Final = 1024  # notes


class SourceNotes:
    """The notes on some tools; the same for equal source, so that a prefix cache holds them.

    Args:
        tools: the tools; those without readable source have no notes.
        typed: whether answers are typed, which decides the form of an entry.
    """

    _known: ClassVar[OrderedDict[tuple[Any, ...], tuple[Any, type]]] = OrderedDict()

    def __init__(self, tools: Collection[Tool], *, typed: bool) -> None:
        self._all = tools
        self._typed = typed

    @cached_property
    def _tools(self) -> dict[str, GuardedTool[..., Any]]:
        return {tool.name: tool for tool in self._all if isinstance(tool, GuardedTool)}

    def check(self, option: str) -> None:
        """Refuse a form that needs source where no source is known.

        Raises:
            ConfigurationError: none of the tools has source that can be read.
        """
        if not any(self._checks(tool) is not None for tool in self._tools.values()):
            raise ConfigurationError(
                f"PromptForm({option}) shows the tools' source, and none of them has any that can be read: "
                "pass the tools themselves (`tools=`, `--tools`), not their documents"
            )

    def reads(self, name: str) -> frozenset[str]:
        """Names that a tool's checks read."""
        checks = self._checks(self._tools[name]) if name in self._tools else None
        return frozenset() if checks is None else checks.reads

    def modes(self, name: str) -> Data | None:
        """A tool's checks in the order in which they run, and what it returns; None without source."""
        checks = self._checks(self._tools[name]) if name in self._tools else None
        if checks is None:
            return None
        view: dict[str, Any] = {
            "tool": name,
            "checks": [
                {"if": check.condition or "always", "then": self._failure(check)} for check in checks.checks
            ],
            "otherwise": [{"ok": True, "value": one} if self._typed else one for one in checks.returns],
        }
        if checks.left or checks.cut:
            view["more checks, not shown"] = f"{checks.left} or more" if checks.cut else checks.left
        return _bare(encode(_marked(view)))

    def source(self, name: str) -> Data | None:
        """A tool's function and the helpers that it reaches, without decorators and docstrings; None without
        source."""
        tool = self._tools.get(name)
        return None if tool is None else self._cached("source", tool, lambda: _source(tool))

    def _failure(self, check: Check) -> Any:
        if not self._typed:
            return {"error": check.answer} if check.raised else check.answer
        if not check.type:  # it says of itself that it failed; as an outcome it is a success
            return {"ok": True, "value": check.answer}
        entry = {"ok": False, "failure_type": check.type, "message": check.answer if check.raised else ""}
        return entry if check.raised else {**entry, "value": check.answer}

    def _checks(self, tool: GuardedTool[..., Any]) -> ToolChecks | None:
        found: ToolChecks | None = self._cached("checks", tool, lambda: ordered_checks(tool))
        return found

    def _cached(self, what: str, tool: GuardedTool[..., Any], make: Any) -> Any:
        """Made once for a source and a class: attempts share it, and other source is read again."""
        cls = type(tool.owner)
        # By the class's identity, as its metaclass may define `==`; it is kept, so that no other has its id.
        key = (what, plain_function(tool), id(cls), tool.source_hash)
        if key not in self._known:
            self._known[key] = make(), cls
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._known[key][0]


_OPEN, _CLOSE = "\ue000", "\ue001"


def _marked(value: Any) -> Any:
    """A view in which the expressions are marked, so that `_bare` finds them."""
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, str):
        text = value.replace(_OPEN, "").replace(_CLOSE, "")
        return f"{_OPEN}{text}{_CLOSE}" if isinstance(value, Expression) else text
    return value


def _bare(text: Data) -> Data:
    """Encoded text whose marked expressions stand without quotes: in quotes a model answers with texts."""
    return Data(text.replace(f'"{_OPEN}', "").replace(f'{_CLOSE}"', ""))


def _source(tool: GuardedTool[..., Any]) -> Data | None:
    found = read_tool(tool)
    if not found.functions:
        return None
    depths = _depths(found.modes)
    functions = sorted(
        found.functions, key=lambda one: (one is not found.functions[0], depths.get(one.name, 1))
    )
    room = int(MOST_TOKENS * _CHARACTERS)
    texts: list[str] = []
    for number, one in enumerate(functions):
        text = ast.unparse(_Bare().visit(bounded(one.node, FUNCTION)))
        if len(text) > room and number:
            break
        texts.append(text[:room] if len(text) <= room else f"{text[:room]}\n# cut here")
        room -= len(texts[-1])
        if room <= 0:
            break
    left = len(functions) - len(texts)
    view: dict[str, Any] = {"tool": tool.name, "source": "\n\n".join(texts)}
    if left:
        view["helpers not shown"] = left
    return encode(view)


def _depths(modes: Iterable[Any]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for mode in modes:
        for depth, name in enumerate(mode.path, start=1):
            found[name] = min(found.get(name, depth), depth)
    return found


class _Bare(ast.NodeTransformer):
    """A function without decorators, docstring, and literals that may be secrets."""

    def _function(self, node: Any) -> Any:
        node.decorator_list = []
        if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_Assign(self, node: ast.Assign) -> Any:
        named = [t.id if isinstance(t, ast.Name) else getattr(t, "attr", "") for t in node.targets]
        if isinstance(node.value, ast.Constant) and any(map(secret_name, named)):
            node.value = ast.Constant(HIDDEN)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        sides = [node.left, *node.comparators]
        if any(secret_name(getattr(s, "id", getattr(s, "attr", ""))) for s in sides):
            node.left = _hidden(node.left)
            node.comparators = [_hidden(one) for one in node.comparators]
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> Any:
        if node.arg is not None and secret_name(node.arg):
            node.value = _hidden(node.value)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> Any:
        return ast.Constant(without_secrets(node.value)) if isinstance(node.value, str) else node


def _hidden(node: ast.expr) -> ast.expr:
    return ast.Constant(HIDDEN) if isinstance(node, ast.Constant) and isinstance(node.value, str) else node
