"""What a chat template takes, tried once, and messages fitted to it without a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.backends.chat.template import ChatTemplate
from artis_sdk.errors import RequestRejected

Messages = Sequence[Mapping[str, Any]]

TOOL: Final = {
    "type": "function",
    "function": {
        "name": "sample",
        "description": "sample tool",
        "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "sample"}}},
    },
}
USER: Final = {"role": "user", "content": "sample question"}
_RULE: Final = "sample rule"


def call_turn(*values: str) -> list[Mapping[str, Any]]:
    """A turn of sample calls, one for each value of their argument, and their results."""
    calls = [
        {"id": f"sample{n:03}", "type": "function", "function": {"name": "sample", "arguments": {"a": value}}}
        for n, value in enumerate(values)
    ]
    results = [
        {"role": "tool", "name": "sample", "tool_call_id": call["id"], "content": "sample result"}
        for call in calls
    ]
    return [{"role": "assistant", "content": "", "tool_calls": calls}, *results]


@dataclass(frozen=True, slots=True)
class TemplateLimits:
    """What a chat template does not take."""

    system: bool = True
    """Whether it takes a system message; if not, its text goes into the next user message."""
    several_calls: bool = True
    """Whether it takes several calls in one turn; if not, each of them gets a turn of its own."""
    tools: bool = True
    """Whether it writes the tools that are offered."""
    calls: bool = True
    """Whether it writes the calls of a turn; if not, they stand in the turn's content, as a model writes
    them."""
    no_tools: tuple[()] | None = None
    """The value of `tools` without tools: None as in transformers, or empty where None breaks it."""

    def fitted(self, messages: Messages) -> list[Mapping[str, Any]]:
        """Messages as the template takes them; results of tools say which tool it was."""
        listed = _named_results(messages)
        if not self.system:
            listed = _rules_in_user_turns(listed)
        return listed if self.several_calls else _a_turn_for_each_call(listed)


def find_limits(template: ChatTemplate) -> TemplateLimits:
    """Try a template with samples."""
    no_tools = () if _refuses(template, [USER], None) and not _refuses(template, [USER], ()) else None
    rule = {"role": "system", "content": _RULE}
    return TemplateLimits(
        system=_refuses(template, [USER], no_tools, str(USER["content"]))
        or not _refuses(template, [rule, USER], no_tools, _RULE),
        several_calls=_refuses(template, [USER, *call_turn("one value")], [TOOL], "one value")
        or not _refuses(template, [USER, *call_turn("one value", "two value")], [TOOL], "two value"),
        tools=any(_shows_tools(template, messages, no_tools) for messages in ([USER], [rule, USER])),
        calls=not _refuses(template, [USER, *call_turn("one value")], [TOOL], "one value"),
        no_tools=no_tools,
    )


def _shows_tools(template: ChatTemplate, messages: Messages, no_tools: Any) -> bool:
    """Whether a prompt with tools differs from one without."""
    try:
        with_tools = template.render(messages, tools=[TOOL], add_generation_prompt=True)
        return with_tools != template.render(messages, tools=no_tools, add_generation_prompt=True)
    except RequestRejected:
        return False


def _refuses(template: ChatTemplate, messages: Messages, tools: Any, part: str = "") -> bool:
    """Whether a template refuses messages, or leaves this part of them out."""
    try:
        return part not in template.render(messages, tools=tools, add_generation_prompt=True)
    except RequestRejected:
        return True


def _named_results(messages: Messages) -> list[Mapping[str, Any]]:
    names: dict[str, str] = {}
    fitted: list[Mapping[str, Any]] = []
    for message in messages:
        for call in message.get("tool_calls") or ():
            if call.get("id"):
                names[call["id"]] = call["function"]["name"]
        name = names.get(message.get("tool_call_id", ""))
        fitted.append(message if name is None else {"name": name, **message})
    return fitted


def _rules_in_user_turns(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    fitted: list[Mapping[str, Any]] = []
    rules: list[str] = []
    for message in messages:
        if message["role"] == "system":
            rules.append(message["content"])
            continue
        if rules and message["role"] == "user":
            message = {**message, "content": "\n\n".join([*rules, message["content"]])}
            rules = []
        fitted.append(message)
    return [*fitted, {"role": "user", "content": "\n\n".join(rules)}] if rules else fitted


def _a_turn_for_each_call(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    fitted: list[Mapping[str, Any]] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        calls = message.get("tool_calls") or ()
        if len(calls) < 2:
            fitted.append(message)
            continue
        results = []
        while at < len(messages) and messages[at]["role"] == "tool":
            results.append(messages[at])
            at += 1
        for n, call in enumerate(calls):
            fitted.append({**message, "tool_calls": [call], **({"content": ""} if n else {})})
            ids = [result.get("tool_call_id") for result in results]
            place = ids.index(call["id"]) if call.get("id") in ids else n  # in order, where ids are missing
            fitted += results[place : place + 1]
    return fitted
