"""A trained agent's requests as tokens of real vocabularies: only its own turns and the prompt have control
tokens."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from helpers.control_text import conversation, hostile, plain
from helpers.models import QWEN, SMOLLM2, Packaged, real_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.pocket import weights
from artis_sdk.records import Message, ToolCall
from artis_sdk.trainers.agent.formats import Codec, Format, Native, Tags
from artis_sdk.trainers.agent.requests import RolloutRequests

pytest.importorskip("transformers")
pytestmark = pytest.mark.engine


@cache
def tokenizer(packaged: Packaged) -> Any:
    from transformers import AutoTokenizer

    path = real_model(packaged)
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


@cache
def pocket() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights.folder())


@cache
def form(name: str) -> Format:
    if name == "pocket, native":
        return Native(Codec(pocket()))
    if name == "qwen, native":
        return Native(Codec(tokenizer(QWEN)))
    return Tags(Codec(tokenizer(QWEN if name == "qwen, tags" else SMOLLM2)))


def control(form: Format, ids: list[int]) -> list[str]:
    marks = set(form.codec.reserved.values())
    return [form.codec.text([id]) for id in ids if id in marks]


every_form = pytest.mark.parametrize(
    "name",
    [
        "smollm2, tags",
        "pocket, native",
        *[pytest.param(name, marks=pytest.mark.large) for name in ("qwen, native", "qwen, tags")],
    ],
)


@pytest.mark.slow
@every_form
@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_data_in_a_request_makes_no_control_token(name: str, data: st.DataObject) -> None:
    form_ = form(name)
    filled = data.draw(hostile(sorted(form_.codec.reserved)))
    calm, wild = conversation(plain), conversation(filled.__getitem__)
    requests = RolloutRequests(form_)
    assert control(form_, requests.ids(wild.messages, wild.tools)) == control(
        form_, requests.ids(calm.messages, calm.tools)
    )


@every_form
def test_a_generated_turn_is_repeated_token_by_token(name: str) -> None:
    """A mark that the model wrote is its token, one that it spelled in other tokens is not."""
    form_ = form(name)
    end = form_.codec.tokenizer.eos_token_id
    mark = form_.codec.text([end])
    spelt = [id for piece in ("a " + mark[:2], mark[2:]) for id in form_.codec.ids(piece)]
    turn = [*spelt, end]
    raw = form_.codec.text(turn)
    assert raw == f"a {mark}{mark}"
    call = ToolCall(tool="look", arguments={})
    messages = (
        Message(role="user", content="go"),
        Message(role="assistant", content="", raw=raw, tool_calls=(call,)),
        Message(role="tool", content="seen", tool_call_id=call.id),
    )
    requests = RolloutRequests(form_)
    prompt = form_.prompt("go", ())
    assert control(form_, requests.ids(messages[:2], ())[len(prompt) :]) == [mark]
    requests.remember(raw, (call,), turn)
    assert requests.ids(messages[:2], ()) == [*prompt, *turn]
    assert requests.ids(messages, ())[: len(prompt) + len(turn)] == [*prompt, *turn]
