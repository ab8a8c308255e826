"""What a GGUF file says about prompts: a template for tools beside the plain one, a BOS token, neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import tiny_model

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.records import Message, Request, ToolCall, ToolSpec

pytest.importorskip("llama_cpp")
gguf = pytest.importorskip("gguf")
pytestmark = pytest.mark.engine

PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
TOOL = ToolSpec(name="move", parameters={"type": "object", "properties": {}})
ASKED = Message(role="user", content="Go")


def changed(path: Path, *removed: str, **metadata: tuple[Any, Any]) -> Path:
    """The tiny model's file with other metadata.

    Args:
        path: of the new file.
        removed: keys that it must not have.
        metadata: type and value by key.
    """
    from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

    reader = gguf.GGUFReader(tiny_model.gguf_model())
    writer = gguf.GGUFWriter(path, reader.get_field("general.architecture").contents())
    new = {key: MetadataDetails(type, value) for key, (type, value) in metadata.items()}
    copy_with_new_metadata(reader, writer, new, removed)
    return path


async def prompt(path: Path, request: Request) -> str:
    backend = LlamaCppBackend(path, n_ctx=512, max_concurrency=1)
    try:
        await backend.start()
        assert backend._running is not None
        chat, model = backend._running._chat, backend._running.model
        return b"".join(map(model.piece, chat.prompt(request))).decode()
    finally:
        await backend.aclose()


async def test_requests_with_tools_get_the_template_for_tools(tmp_path: Path) -> None:
    types = gguf.GGUFValueType
    path = changed(
        tmp_path / "two.gguf",
        **{
            "tokenizer.chat_template": (types.STRING, PLAIN),
            "tokenizer.chat_template.tool_use": (types.STRING, tiny_model.TEMPLATE),
        },
    )
    assert LlamaCppBackend(path).capabilities.native_tools
    assert await prompt(path, Request(messages=(ASKED,))) == "user: Go\nassistant:"
    with_tools = await prompt(path, Request(messages=(ASKED,), tools=(TOOL,)))
    assert "<tools>" in with_tools
    call = ToolCall(tool="move")
    history = (
        ASKED,
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", tool_call_id=call.id, content="null"),
    )
    assert "<tool_response>\nnull" in await prompt(path, Request(messages=history))


@pytest.mark.parametrize("adds", [True, False])
async def test_a_file_without_a_template_begins_with_bos_if_it_says_so(tmp_path: Path, adds: bool) -> None:
    types = gguf.GGUFValueType
    field = gguf.GGUFReader(tiny_model.gguf_model()).get_field("tokenizer.ggml.tokens")
    end_of_text = field.contents().index("<|endoftext|>")
    path = changed(
        tmp_path / "bos.gguf",
        "tokenizer.chat_template",
        **{
            "tokenizer.ggml.add_bos_token": (types.BOOL, adds),
            "tokenizer.ggml.bos_token_id": (types.UINT32, end_of_text),
        },
    )
    start = "<|endoftext|>" if adds else ""
    written = await prompt(path, Request(messages=(ASKED,)))
    assert written == f"{start}<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n"
