"""Names and descriptions in the APIs' limits, both ways."""

from __future__ import annotations

import json
import re
from contextlib import aclosing
from typing import Any

import pytest
from helpers.backends import ANTHROPIC, BOTH, OPENAI, body
from helpers.fault_server import Reply, Seen, answer, serving
from hypothesis import example, given
from hypothesis import strategies as st

from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.names import fit_name, own_names
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.backends.vllm import VLLMServer
from artis_sdk.records import Message, Request, ToolCall, ToolSpec

EMPTY: dict[str, Any] = {"type": "object", "properties": {}}
LONG = "get_the_balance_of_the_account_of_the_person_whose_name_is_given_please"
assert len(LONG) > 64
NAMES = [
    "über",
    "bank.pay",
    "bank pay",
    "bank_pay",
    "b",
    LONG,
    LONG + "x",
    "支付",
    "支付款",
    "a/b",
    "a:b",
    "_",
]


def tools(*names: str, description: str = "d") -> tuple[ToolSpec, ...]:
    return tuple(ToolSpec(name=name, description=description, parameters=EMPTY) for name in names)


def sent_names(backend: HostedBackend, *names: str) -> list[str]:
    sent = body(backend, Message(role="user", content="u"), tools=tools(*names))["tools"]
    return [tool.get("function", tool)["name"] for tool in sent]


# Names as they are, names of the form that fitting makes, and names that differ in what it replaces.
ANY_NAME = (
    st.text(max_size=90)
    | st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
    | st.from_regex(r"[a-z]{1,3}_[0-9a-f]{20}", fullmatch=True)
    | st.text("._ ü-", min_size=1, max_size=4)
    | st.text(max_size=9).map(fit_name)
    | st.integers(0, 3).map(lambda more: LONG + "x" * more)
)


@given(st.sets(ANY_NAME, max_size=12))
@example({"über", fit_name("über"), fit_name(fit_name("über"))})
def test_fitting_keeps_names_apart(names: set[str]) -> None:
    fitted = {name: fit_name(name) for name in names}
    assert len(set(fitted.values())) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in fitted.values())


@given(st.lists(ANY_NAME.filter(bool), max_size=8, unique=True))
def test_a_fitted_name_is_given_back_as_the_tools_own(names: list[str]) -> None:
    own = own_names(tools(*names))
    assert [own.get(fit_name(name), fit_name(name)) for name in names] == names


def test_a_name_that_fits_stays() -> None:
    assert [fit_name(name) for name in ("pay", "get-it_2", "A" * 64)] == ["pay", "get-it_2", "A" * 64]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend])
async def test_every_name_there_and_back(make: Any, stream: bool) -> None:
    """The model calls each tool by the name that it was shown."""
    from helpers.fault_server import streamed

    def handle(seen: Seen) -> Reply:
        shown = [tool.get("function", tool)["name"] for tool in seen.json["tools"]]
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in shown)
        reply = answer(seen, None, [(f"c{i}", name, {}) for i, name in enumerate(shown)])
        return streamed(reply) if stream else reply

    async with serving(handle) as server:
        backend = make("m", base_url=server.base_url)
        async with aclosing(backend):
            request = Request(messages=(Message(role="user", content="u"),), tools=tools(*NAMES))
            completion = await backend.complete(request, on_token=(lambda text: None) if stream else None)
    assert [call.tool for call in completion.tool_calls] == NAMES


@BOTH
def test_a_call_in_the_history_has_the_name_of_its_tool(backend: HostedBackend) -> None:
    call = ToolCall(id="c1", tool="bank.pay")
    said = Message(role="assistant", tool_calls=(call,))
    sent = body(backend, Message(role="user", content="u"), said, tools=tools("bank.pay"))
    names = re.findall(r'"name": ?"([^"]*)"', json.dumps(sent))
    assert len(names) == 2
    assert len(set(names)) == 1


def test_an_answer_goes_back_with_the_name_that_the_api_knows() -> None:
    fitted = fit_name("bank.pay")
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "id": "c1", "name": fitted, "input": {}},
    ]
    call = ToolCall(id="c1", tool="bank.pay")
    said = Message(role="assistant", tool_calls=(call,), raw=json.dumps(blocks), origin=ANTHROPIC.name)
    assert body(ANTHROPIC, said)["messages"][0]["content"] == blocks


def words(length: int) -> str:
    return " ".join(f"word{number}" for number in range(length))[:length]


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, 2200, 30_000])
@pytest.mark.parametrize("system", [True, False], ids=["system", "no system"])
def test_a_long_description_goes_on_in_the_system_message(length: int, system: bool) -> None:
    text = words(length)
    begin = (Message(role="system", content="Be good."),) if system else ()
    sent = body(OPENAI, *begin, Message(role="user", content="u"), tools=tools("pay", description=text))
    described = sent["tools"][0]["function"]["description"]
    first = sent["messages"][0]
    if length <= 1024:
        assert described == text
        assert first["content"] == ("Be good." if system else "u")
        return
    assert len(described) <= 1024
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert first["content"].startswith("Be good.") is system
    kept = described.removesuffix(" (Its documentation goes on in the system message.)")
    rest = first["content"].partition("pay: ... ")[2]
    assert f"{kept} {rest}" == text, "no word is lost"


def test_a_description_without_blanks() -> None:
    sent = body(OPENAI, Message(role="user", content="u"), tools=tools("pay", description="支" * 2200))
    described = sent["tools"][0]["function"]["description"]
    assert len(described) <= 1024
    assert (described + sent["messages"][0]["content"]).count("支") == 2200


def test_servers_without_a_limit_get_the_whole_description() -> None:
    backend = VLLMServer("m", base_url="http://localhost:1/v1")
    sent = body(backend, Message(role="user", content="u"), tools=tools("pay", description=words(2200)))
    assert sent["tools"][0]["function"]["description"] == words(2200)
    sent = body(ANTHROPIC, Message(role="user", content="u"), tools=tools("pay", description=words(2200)))
    assert sent["tools"][0]["description"] == words(2200)
