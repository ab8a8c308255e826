"""The pocket model's chat format: its chat template, and its own short templates of the roles' prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic_core import to_json

from artis_sdk.backends.tool_formats.hermes import CLOSE, OPEN
from artis_sdk.prompts import Prompts, Style
from artis_sdk.records import Message
from artis_sdk.simulators.form import PromptForm

START: Final = "<|im_start|>"
END: Final = "<|im_end|>"

TEMPLATE: Final = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- if message.role == 'system' and tools %}
{%- for tool in tools %}{{- ' ' + tool.function.name }}{%- endfor %}
{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- '}</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
"""ChatML; tools by name only, as the model knows what each does."""

_JUDGED: Final = "{{ history }}\n{{ simulation }}"
_ADVICE: Final = """\
{{ query }}
{% for attempt in attempts %}
{% if attempt.suggestion %}
{{ attempt.suggestion }}
{% elif attempt.evaluation is mapping %}
{{ attempt.evaluation.explanation }}
{% endif %}
{% endfor %}
{% if recommendation is not none %}
{{ recommendation }}
{% endif %}
"""
_ATTEMPTS: Final = """\
{% for attempt in attempts %}
{% if attempt.evaluation is mapping and attempt.evaluation.correct %}
{{ attempt.evaluation.explanation }}
{% elif attempt.suggestion %}
{{ attempt.suggestion }}
{% endif %}
{% endfor %}
"""
TEMPLATES: Final[Mapping[str, str]] = {
    "action_system": "agent",
    "action_user": _ADVICE,
    "simulator_system": "simulator",
    "simulator_user": "{{ init_config }}\n{{ history }}\n{{ action }}\n{{ looked_up }}",
    "evaluation_system": "judge",
    "evaluation_user": _JUDGED,
    "summary_system": "advisor",
    "summary_user": _ATTEMPTS,
    "scoring_system": "scorer",
    "scoring_user": _JUDGED,
    "revision_system": "reviser",
    "revision_user": _JUDGED,
}
"""The roles' prompts, short enough for a small model; for `Session(prompts=...)`."""

FORM: Final = PromptForm(
    documents="called", one_call=True, typed=True, focus=True, look_up=True, thought=True
)
"""Form of the simulator's prompt: only rows of the state that the call refers to, repeated by argument, and a
thought before the answer (`thoughts.think`)."""
AT_ONCE: Final = FORM.model_copy(update={"thought": False})
"""How the base simulates without an adapter: thinking first is what a simulator's training teaches."""


def pocket_prompts(style: Style = "paper") -> Prompts:
    """The pocket model's prompts, for a Session and for training.

    Args:
        style: the paper's, which the model was trained on; in ours the advice is the calls of an attempt.
    """
    return Prompts(TEMPLATES, style=style)


class Segment(NamedTuple):
    """A piece of a rendered conversation."""

    text: str
    learned: bool
    """Whether the model writes it, and is trained on it."""


def segments(messages: Sequence[Message], tools: Sequence[str] = ()) -> list[Segment]:
    """A conversation as `TEMPLATE` renders it, with the model's own text marked.

    Args:
        messages: of the conversation; every assistant message is the model's.
        tools: names of the tools that the agent has.
    """
    found: list[Segment] = []
    for message in messages:
        body = message.content
        if message.role == "system":
            body += "".join(f" {name}" for name in tools)
        for call in message.tool_calls:
            arguments = ", ".join(
                f'"{key}": {to_json(value).decode()}' for key, value in call.arguments.items()
            )
            body += f'{OPEN}{{"name": "{call.tool}", "arguments": {{{arguments}}}}}{CLOSE}'
        if message.role == "assistant":
            found += [
                Segment(f"{START}assistant\n", False),
                Segment(f"{body}{END}", True),
                Segment("\n", False),
            ]
        else:
            found.append(Segment(f"{START}{message.role}\n{body}{END}\n", False))
    return found
