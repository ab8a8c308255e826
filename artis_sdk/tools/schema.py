"""The JSON schema of a function's parameters, and arguments checked against it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Annotated, Any, NotRequired, Optional, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import stand_in
from artis_sdk.tools.bytes_back import with_bytes_back
from artis_sdk.tools.docstrings import documentation
from artis_sdk.tools.lazy import awaited_annotation
from artis_sdk.tools.parameters import Parameters

_REST = "**"
"""Key under which the arguments for `**kwargs` are validated."""
_SAID = 3  # problems of one value that are named
_LONGEST_ECHO = 80  # most characters of a wrong value in a message


class Shape:
    """A tool's parameters as JSON, and calls checked against them.

    Checking is pydantic's lax mode in every world alike: `"12"` or `12.0` is taken for an int, a list
    for a tuple, an ISO text for a date; a number is not taken for a text. Arguments that no parameter
    takes are refused.

    Args:
        tool: the tool's name, for messages.
        function: the function with the annotations and the docstring.
        parameters: its parameters.
        hidden: names of parameters that a model neither sees nor passes, such as the idempotency key.
        check_types: whether values must fit the annotations, or the names alone are checked.

    Raises:
        ToolDefinitionError: a parameter has no JSON form, or an annotation cannot be resolved.
    """

    def __init__(
        self,
        tool: str,
        function: Callable[..., Any],
        parameters: Parameters,
        hidden: frozenset[str],
        check_types: bool = True,
    ) -> None:
        self.tool = tool
        self.hints = _hints(tool, function)
        self.hidden = hidden
        self.var_keyword = parameters.var_keyword
        self.shown = [
            p for p in parameters.by_name.values() if p.name not in hidden and p.name != self.var_keyword
        ]
        self._names = {p.name for p in self.shown}
        self.documentation = documentation(inspect.getdoc(function))
        typed = self._validator(self.hints)
        self.schema = self._schema(typed)
        self.validator = typed if check_types else self._validator({})

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, validated and converted to the annotated types.

        Raises:
            InvalidArguments: the arguments do not fit; the message says how to fix them.
        """
        given: dict[str, Any] = dict(arguments)
        if self.var_keyword is not None:
            rest = {name: given.pop(name) for name in list(given) if name not in self._names}
            for name in self.hidden & rest.keys():
                raise InvalidArguments(self.tool, f"{name}: unknown parameter; leave it out")
            given[_REST] = rest
        try:
            checked: dict[str, Any] = self.validator.validate_python(given)
        except ValidationError as error:
            problems = [self._problem(detail) for detail in error.errors(include_url=False)]
            raise InvalidArguments(self.tool, "; ".join(problems)) from None
        checked.update(checked.pop(_REST, {}))
        return checked

    # --- building -----------------------------------------------------------------------------

    def _validator(self, hints: Mapping[str, Any]) -> TypeAdapter[Any]:
        fields = {p.name: self._field(p, hints) for p in self.shown}
        if self.var_keyword is not None:
            fields[_REST] = GenericAlias(dict, (str, with_bytes_back(hints.get(self.var_keyword, Any))))
        make: Any = TypedDict
        arguments = make(self.tool, fields)
        arguments.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
        try:
            return TypeAdapter(arguments)
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            first_line = str(error).partition("\n")[0]
            raise ToolDefinitionError(f"{self.tool}: {first_line}") from error

    def _field(self, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
        annotation = with_bytes_back(hints.get(parameter.name, Any))
        if isinstance(parameter.default, FieldInfo):
            raise ToolDefinitionError(
                f"{self.tool}: the default of {parameter.name} is a Field; write "
                f"`{parameter.name}: Annotated[..., Field(...)] = default`"
            )
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            annotation = GenericAlias(list, (annotation,))
        text = _annotated_text(annotation) or self.documentation.parameters.get(parameter.name)
        text = _described(annotation) or text
        if parameter.default is None and annotation is not Any:
            annotation = Optional[annotation]  # noqa: UP045  a function takes its own default
        if text and not _described(annotation):
            annotation = Annotated[annotation, Field(description=text)]
        optional = (
            parameter.kind is inspect.Parameter.VAR_POSITIONAL or parameter.default is not parameter.empty
        )
        return NotRequired[annotation] if optional else annotation

    def _schema(self, typed: TypeAdapter[Any]) -> dict[str, Any]:
        try:
            schema = typed.json_schema(schema_generator=_Untitled)
        except PydanticInvalidForJsonSchema as error:
            raise ToolDefinitionError(
                f"{self.tool}: a parameter has no JSON form, so no model can give it ({error.message}); "
                "set it with inject=, or remove it from the guarded function"
            ) from error
        schema.pop("title", None)
        schema.pop("description", None)
        properties: dict[str, Any] = schema.setdefault("properties", {})
        if self.var_keyword is not None:
            schema["additionalProperties"] = properties.pop(_REST).get("additionalProperties", True)
            schema["required"] = [name for name in schema.get("required", []) if name != _REST]
        if not schema.get("required"):
            schema.pop("required", None)
        for parameter in self.shown:
            if parameter.name not in properties:
                raise ToolDefinitionError(
                    f"{self.tool}: {parameter.name} has an alias; remove the alias and rename the parameter"
                )
            if parameter.default is not parameter.empty:
                properties[parameter.name].setdefault("default", jsonable(parameter.default))
        return schema

    # --- messages -----------------------------------------------------------------------------

    def _problem(self, detail: ErrorDetails) -> str:
        loc = detail["loc"][1:] if detail["loc"][:1] == (_REST,) else detail["loc"]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
        if detail["type"] == "missing":
            return f"{where}: missing, but required"
        if detail["type"] == "extra_forbidden" and len(loc) == 1:
            return f"{where}: unknown parameter; {self._suggestion(str(loc[0]))}"
        message = detail["msg"][:1].lower() + detail["msg"][1:]
        return f"{where}: {message}, got {_short(detail['input'])}"

    def _suggestion(self, name: str) -> str:
        if not self._names:
            return "it takes no parameters"
        close = difflib.get_close_matches(name, self._names, n=1)
        known = ", ".join(p.name for p in self.shown)
        return f"did you mean {close[0]}? It takes {known}" if close else f"it takes {known}"


class _Untitled(GenerateJsonSchema):
    """JSON schemas without titles, which repeat the names and cost tokens."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def misfits(error: ValidationError) -> str:
    """The first places at which a value does not fit its annotation, and what stands there."""
    problems = error.errors(include_url=False)
    said = []
    for problem in problems[:_SAID]:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
        at = f"at {where.lstrip('.')}, " if where else ""
        said.append(f"{at}{problem['msg'][:1].lower()}{problem['msg'][1:]}, got {_short(problem['input'])}")
    more = len(problems) - _SAID
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def return_adapter(tool: str, function: Callable[..., Any]) -> TypeAdapter[Any]:
    """Validator of the function's return annotation; without one every value passes."""
    annotation = with_bytes_back(awaited_annotation(return_annotation(tool, function)))
    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError:  # a class unknown to pydantic: check for an instance
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def return_annotation(tool: str, function: Callable[..., Any]) -> Any:
    """The function's return annotation, evaluated; `Any` without one."""
    return _hints(tool, function).get("return", Any)


def _hints(tool: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ToolDefinitionError(
            f"{tool}: the annotation {error.name!r} cannot be resolved; import it at run time, not only "
            "under TYPE_CHECKING, and define it at module level"
        ) from error


def _annotated_text(annotation: Any) -> str | None:
    """The text of `Annotated[int, "in euros"]`."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((note for note in get_args(annotation)[1:] if isinstance(note, str)), None)


def _described(annotation: Any) -> str | None:
    """The text of `Annotated[int, Field(description="in euros")]`."""
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next(
        (note.description for note in notes if isinstance(note, FieldInfo) and note.description), None
    )


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  an argument's own code; the message is about its place
        text = stand_in(value)
    return text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 3] + "..."
