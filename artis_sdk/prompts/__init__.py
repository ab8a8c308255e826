"""Prompts: Jinja templates in our words, with the fields of the paper's appendices F and G.

Two styles: `ours`, and `paper`, whose judge writes reasons and tags and whose summary is prose (appendix F).

Every value that a template prints is written as JSON data (`data.encode`), unless it is `Data` already
or one of the `TRUSTED` fields: a user's own template is as safe as ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts.data import (
    Data,
    call_view,
    encode,
    encode_lines,
    encode_message,
    encode_spaced,
    encode_step,
    encode_trajectory,
    result_message,
)

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from artis_sdk.records import ToolSpec

__all__ = [
    "FIELDS",
    "TRUSTED",
    "Data",
    "Prompts",
    "Style",
    "call_view",
    "encode",
    "encode_lines",
    "encode_message",
    "encode_spaced",
    "encode_step",
    "encode_trajectory",
    "result_message",
]

_JUDGED: Final = frozenset({"tool_documents", "history", "simulation"})
_FACTS: Final = frozenset({"calls", "failed", "numbers", "missing", "repeated"})

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "action_system": frozenset({"functions"}),  # None for native tool calling
    "action_user": frozenset({"query", "attempts", "recommendation"}),
    "action_results": frozenset({"results"}),
    "simulator_system": frozenset({"typed", "thought", "with_checks", "with_source"}),
    # looked_up, checks and source are None unless the form has them
    "simulator_user": frozenset(
        {
            "tool_documents",
            "documents_last",
            "checks",
            "source",
            "init_config",
            "history",
            "action",
            "looked_up",
        }
    ),
    "evaluation_system": frozenset({"typed"}),
    "evaluation_user": _JUDGED | _FACTS,
    "suggestion_user": _JUDGED | _FACTS | {"typed"},  # follows the verdict in the same conversation
    "summary_system": frozenset({"offered"}),  # number of attempts to choose from
    "summary_user": frozenset({"tool_documents", "history", "attempts"}),
    "advice": frozenset({"steps", "note"}),
    "scoring_system": frozenset(),
    "scoring_user": _JUDGED,
    "revision_system": frozenset(),
    "revision_user": _JUDGED,
    "queries_system": frozenset(),
    "queries_user": frozenset({"tool_documents", "state", "tool", "known", "count"}),
    "targeted_system": frozenset(),
    "targeted_user": frozenset(
        {"tool_documents", "state", "source", "tool", "statement", "condition", "attempts"}
    ),
}
"""Field names of every template, by template name. An entry of `attempts` has `action`, `evaluation` and
`suggestion`, of which the latter two may be None; in `summary_user` also `number`. An entry of the `steps` of
`advice` has `action` and `references`, the arguments whose real values differ (`artis_sdk.loop.advice`)."""

Style = Literal["ours", "paper"]
"""Form of judging, of the advice and of earlier attempts. `ours`: a bare verdict, suggestions only where one
is used, and as advice the calls of a right attempt, verbatim. `paper`: appendix F."""

TRUSTED: Final = frozenset({"query"})
"""Names of fields that are instructions, printed unchanged."""

_FOLDER = Path(__file__).parent / "templates"


class Prompts:
    """The templates of one session.

    Args:
        overrides: templates that replace ours: a mapping from template name to its text or to
            the path of its file, or a folder of files named `<template name>.j2`.
        style: style of the templates that are not replaced, and of how answers are read.

    Raises:
        ConfigurationError: an unknown template name, an unknown field, bad syntax, or a file that
            cannot be read.
    """

    def __init__(
        self, overrides: Mapping[str, str | Path] | Path | str | None = None, *, style: Style = "ours"
    ) -> None:
        if style not in get_args(Style):
            raise ConfigurationError(f"style must be ours or paper, not {style!r}")
        self.style: Style = style
        if isinstance(overrides, str | Path):
            overrides = _in_folder(Path(overrides))
        compiled = {name: _compile(name, source) for name, source in (overrides or {}).items()}
        self._own = {name: template for name, (_, template) in compiled.items()}
        self._texts = {name: text for name, (text, _) in compiled.items()}
        self._documents: tuple[Sequence[ToolSpec], Data] = ((), encode([]))

    def documents(self, specs: Sequence[ToolSpec]) -> Data:
        """The tools as the paper lists them: name, description, parameters. The last ones are kept.

        Args:
            specs: the tools.
        """
        known, text = self._documents
        if len(known) != len(specs) or not all(map(is_, known, specs)):
            text = encode([spec.document() for spec in specs])
            self._documents = (tuple(specs), text)
        return text

    def text(self, name: str) -> str:
        """The text of a template.

        Raises:
            ConfigurationError: an unknown template.
        """
        return self._texts.get(name) or _default_text(name, self.style)

    def shows(self, name: str, field: str) -> bool:
        """Whether a template prints a field.

        Raises:
            ConfigurationError: an unknown template.
        """
        return field in _fields(self.text(name))

    def render(self, name: str, **fields: Any) -> str:
        """Fill in a template.

        Args:
            name: a key of `FIELDS`.
            fields: values of its fields; all but the `TRUSTED` ones are printed as JSON data.

        Raises:
            ConfigurationError: an unknown template, or a missing field or attribute.
        """
        from jinja2 import TemplateError

        template = self._own.get(name) or _default(name, self.style)
        for field in TRUSTED & fields.keys():
            fields[field] = Data(fields[field])
        try:
            return template.render(fields).strip()
        except TemplateError as error:
            raise ConfigurationError(f"template {name!r}: {error}") from error


def _in_folder(folder: Path) -> dict[str, str | Path]:
    if not folder.is_dir():
        raise ConfigurationError(f"prompts: {folder} is not a folder")
    return {path.stem: path for path in sorted(folder.glob("*.j2"))}


@cache
def _fields(text: str) -> frozenset[str]:
    from jinja2.meta import find_undeclared_variables

    return frozenset(find_undeclared_variables(_environment().parse(text)))


def _compile(name: str, source: str | Path) -> tuple[str, Template]:
    """An override's text and compiled template, so that its errors show before a run."""
    from jinja2 import TemplateError

    _check_name(name)
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        unknown = _fields(text) - FIELDS[name]
        template = _environment().from_string(text)
    except (OSError, UnicodeDecodeError, TemplateError) as error:
        raise ConfigurationError(f"template {name!r}: {error}") from error
    if unknown:
        known = ", ".join(sorted(FIELDS[name])) or "none"
        raise ConfigurationError(
            f"template {name!r} has no field {sorted(unknown)[0]!r}; its fields: {known}"
        )
    return text, template


@cache
def _default(name: str, style: Style) -> Template:
    return _environment().from_string(_default_text(name, style))


@cache
def _default_text(name: str, style: Style) -> str:
    _check_name(name)
    own = _FOLDER / style / f"{name}.j2"  # only templates that differ have a file of the style
    return (own if own.exists() else _FOLDER / f"{name}.j2").read_text(encoding="utf-8")


def _check_name(name: str) -> None:
    if name not in FIELDS:
        raise ConfigurationError(f"no template is named {name!r}; there are: {', '.join(FIELDS)}")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined, Undefined

    def finalize(value: Any) -> str:
        return str(value) if isinstance(value, Undefined) else encode(value)  # str() of it raises

    return Environment(undefined=StrictUndefined, finalize=finalize, trim_blocks=True, lstrip_blocks=True)
