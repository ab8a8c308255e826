"""A backend that plays the pocket model's roles by rule: what the model is trained to do, without a model."""

from __future__ import annotations

import re
from collections.abc import Callable

from artis_sdk.pocket.task import PocketTask, TaskTurn, Way
from artis_sdk.prompts import encode_spaced
from artis_sdk.records import Capabilities, Completion, Message, Request, ToolCall, Usage
from artis_sdk.trainers.pocket.lessons import DONE, avoid, use, verdict

_HINT = re.compile(r"(use|avoid) ([a-zA-Z_0-9]+(?: first)?)")


class RuleBackend:
    """Follows advice; without it takes the plan that comes to mind first. Judges by refusals alone."""

    name = "rule:pocket"
    capabilities = Capabilities(structured_output=False)

    def __init__(self, task: PocketTask) -> None:
        self._turns = {turn.query: turn for turn in task.turns}

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        system, *messages = request.messages
        if system.content == "agent":
            return self._agent(messages)
        text = self._judge(messages[0].content) if system.content == "judge" else _advise(messages[0].content)
        return Completion(text=text, raw=text, usage=Usage(requests=1, completion_tokens=1))

    async def aclose(self) -> None:
        pass

    def _agent(self, messages: list[Message]) -> Completion:
        last = max(n for n, message in enumerate(messages) if message.role == "user")
        query, *hints = messages[last].content.split("\n")
        turn, since = self._turns[query], messages[last + 1 :]
        usage = Usage(requests=1, prompt_tokens=1, completion_tokens=1)
        if not turn.ways:
            return Completion(text=turn.reply, usage=usage)
        calls = _way(turn, hints).calls
        done = sum(message.role == "tool" for message in since)
        if done == len(calls) or any(message.failed for message in since):
            return Completion(text=DONE, usage=usage)
        call = ToolCall(tool=calls[done].tool, arguments=dict(calls[done].arguments))
        return Completion(tool_calls=(call,), finish_reason="tool_calls", usage=usage)

    def _judge(self, prompt: str) -> str:
        query = max((q for q in self._turns if q in prompt), key=prompt.rfind)
        turn = self._turns[query]
        shown = prompt[prompt.rfind(query) :]
        made = [way for way in turn.ways if all(_named(call.arguments, shown) for call in way.calls[-1:])]
        choice = next((way.choice for way in made if _first(way, shown)), "no tool")
        if '"failed"' in shown:
            return verdict("refused", False, avoid(choice))
        return verdict(use(choice), True, "")


def _named(arguments: object, shown: str) -> bool:
    return all(str(value) in shown for value in dict(arguments).values())  # type: ignore[call-overload]


def _first(way: Way, shown: str) -> bool:
    """Whether what sets a way apart is what was done."""
    names = re.findall(r'"name":"(\w+)"', shown)
    if way.choice.endswith(" first"):
        return bool(names) and names[0] == way.choice.split()[0]
    return way.choice in names or f'"{way.choice}"' in shown.partition('"transfer"')[2]


def _way(turn: TaskTurn, hints: list[str]) -> Way:
    found = [match.groups() for hint in hints for match in _HINT.finditer(hint)]
    wanted = [choice for word, choice in found if word == "use"]
    gone = {choice for word, choice in found if word == "avoid"}
    for way in turn.ways:
        if wanted and way.choice == wanted[-1]:
            return way
    left = [way for way in turn.ways if way.choice not in gone] or list(turn.ways)
    return max(left, key=lambda way: way.weight)


def _advise(prompt: str) -> str:
    found = [line.strip('"') for line in prompt.split("\n")]
    worked = [line for line in found if line.startswith("use")]
    return encode_spaced({"recommendation": (worked or found)[-1] or "go on", "rationale": ""})
