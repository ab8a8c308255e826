"""A chat template, rendered with a record of its own text, as distinct from the data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from artis_sdk.backends.chat.prompt_text import PromptText, concat, written
from artis_sdk.errors import ConfigurationError, RequestRejected


class ChatTemplate:
    """One model's chat template.

    Args:
        name: name of the backend or model, for errors.
        template: Jinja text.
        arguments: variables for the template beside messages and tools; data.
        special: texts of the model's special tokens by their names in templates, such as
            `bos_token`; own text like the template's.

    Raises:
        ConfigurationError: the template is invalid Jinja.
    """

    def __init__(
        self, name: str, template: str, arguments: Mapping[str, Any], special: Mapping[str, str]
    ) -> None:
        import jinja2

        self._name = name
        self._variables = {**{key: written(text) for key, text in special.items()}, **arguments}
        try:
            self._template = _environment().from_string(template)
        except jinja2.TemplateError as error:
            raise ConfigurationError(f"{name}: the chat template is not valid: {error}") from error

    def render(self, messages: Sequence[Mapping[str, Any]], **variables: Any) -> PromptText:
        """The whole prompt.

        Args:
            messages: messages in the form of chat templates. Roles are own text, everything else is data.
            variables: further variables, such as `tools`; they override those of the constructor.

        Raises:
            RequestRejected: the template refuses the messages.
        """
        import jinja2

        listed = [{**message, "role": written(message["role"])} for message in messages]
        try:
            text = self._template.render({**self._variables, "messages": listed, **variables})
        except (jinja2.TemplateError, ValueError, TypeError, KeyError) as error:
            raise RequestRejected(self._name, f"the chat template refuses the messages: {error}") from error
        return concat((text,))


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Jinja as transformers sets it up for chat templates, with `PromptText` in place of strings."""
    from jinja2 import nodes, pass_environment
    from jinja2.compiler import CodeGenerator, Frame, optimizeconst
    from jinja2.ext import Extension, loopcontrols
    from jinja2.filters import make_attrgetter
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class OwnText(CodeGenerator):
        """Writes the literals of a template as `PromptText`."""

        def _output_const_repr(self, group: Iterable[Any]) -> str:
            return f"environment.written({''.join(map(str, group))!r})"

        def visit_Const(self, node: nodes.Const, frame: Frame) -> None:
            if isinstance(node.value, str):
                self.write(f"environment.written({node.value!r})")
            else:
                super().visit_Const(node, frame)

        def visit_TemplateData(self, node: nodes.TemplateData, frame: Frame) -> None:
            self.write(f"environment.written({node.data!r})")

        @optimizeconst
        def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
            self.write("environment.concat((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    class Environment(ImmutableSandboxedEnvironment):
        code_generator_class = OwnText
        concat = staticmethod(concat)
        written = staticmethod(lru_cache(maxsize=4096)(written))

    class Generation(Extension):
        """`{% generation %}` marks the assistant's text for training; here it is only text."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    @pass_environment
    def join(environment: Any, values: Iterable[Any], d: str = "", attribute: Any = None) -> str:
        if attribute is not None:
            values = map(make_attrgetter(environment, attribute), values)
        return PromptText(d, getattr(d, "own", ())).join(map(str, values))

    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = _tojson
    environment.filters["join"] = join
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **more)


def _refuse(message: str) -> None:
    raise ValueError(message)
