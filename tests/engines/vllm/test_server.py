"""Clients of a real `vllm serve`, run as `artis serve` runs it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from helpers.engine_sessions import cancel_sessions, check_plan, rehearsed, rehearsing_tasks, thread_names
from helpers.vllm import (
    ENGINE_ARGS,
    START,
    all_gone,
    ask,
    check_cancelled,
    descendants,
    free_port,
    serve_command,
)

from artis_sdk.backends import Backend, resolve
from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.errors import (
    ArtisError,
    AuthenticationFailed,
    ConfigurationError,
    ConnectionLost,
    RequestRejected,
)
from artis_sdk.records import Completion, Request

pytestmark = [pytest.mark.engine, pytest.mark.timeout(START)]


@dataclass
class Up:
    """A program that runs a server."""

    program: asyncio.subprocess.Process
    port: int
    announced: str

    def client(self, kind: str, model: str = "tiny", port: int = 0, **more: Any) -> Backend:
        url = f"http://127.0.0.1:{port or self.port}"
        if kind == "anthropic":
            return resolve(f"anthropic:{model}", base_url=url, api_key="none", context_window=2048, **more)
        if kind == "openai":
            more["strict_tools"] = True
        return resolve(f"{kind}:{model}", base_url=f"{url}/v1", context_window=2048, **more)

    async def requests_held(self) -> float:
        """Requests that the server's engine runs or keeps waiting, by its own metrics."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        found = re.findall(r"^vllm:num_requests_(?:running|waiting){.*} (\S+)$", text, re.MULTILINE)
        assert len(found) == 2, text[:2000]
        return sum(map(float, found))


@pytest_asyncio.fixture(scope="module")
async def up() -> AsyncIterator[Up]:
    port = free_port()
    program = await asyncio.create_subprocess_exec(*serve_command(port), stdout=asyncio.subprocess.PIPE)
    try:
        assert program.stdout is not None
        async with asyncio.timeout(START):
            lines = [(await program.stdout.readline()).decode() for _ in range(3)]
        yield Up(program, port, "".join(lines))
    finally:
        if program.returncode is None:
            program.terminate()
        await program.wait()


RAW_CONTROLS = "vLLM's server holds `maxLength` by xgrammar 0.2, which admits raw control characters there"
OF_THE_SERVER = {
    "openai": {"bounded_strings": RAW_CONTROLS},
    "anthropic": {
        "bounded_strings": RAW_CONTROLS,
        "bounded_without_a_limit": "the API always names a limit, and this server's window is smaller",
    },
}
"""Laws that this server does not keep for clients that do not know it, by client; `vllm:` keeps them."""


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["vllm", "openai", "anthropic"])
async def test_conformance(check: conformance.Check, kind: str, up: Up) -> None:
    once = RetryPolicy(attempts=1)
    broken: dict[str, tuple[conformance.Make, type[ArtisError]]] = {
        "a model that is not served": (lambda: up.client(kind, model="huge"), RequestRejected),
        "nobody listens": (lambda: up.client(kind, port=free_port(), retry=once), ConnectionLost),
    }
    try:
        # A model with random weights may make many calls before it makes an end.
        await check(
            conformance.Profile(
                make=lambda: up.client(kind),
                structured_tokens=1500,
                broken=broken,
                skip=OF_THE_SERVER.get(kind, {}),
            )
        )
    except conformance.Skip as skip:
        pytest.skip(str(skip))


@pytest_asyncio.fixture
async def backend(up: Up) -> AsyncIterator[Backend]:
    made = up.client("vllm")
    yield made
    await made.aclose()


async def test_it_says_how_to_reach_it(up: Up) -> None:
    assert f'resolve("vllm:tiny", base_url="http://127.0.0.1:{up.port}/v1")' in up.announced
    assert 'adapter="simulator"' in up.announced


async def test_an_adapter_answers_beside_its_base(backend: Backend) -> None:
    assert backend.capabilities.adapters
    base, adapted, again = [
        await backend.complete(
            Request(messages=ask("Where to?"), temperature=0.0, max_tokens=24, adapter=adapter)
        )
        for adapter in (None, "simulator", None)
    ]
    assert base.text == again.text != adapted.text
    assert (base.model, adapted.model) == ("tiny", "simulator")
    with pytest.raises(RequestRejected, match="nobody"):
        await backend.complete(Request(messages=ask("Hi"), adapter="nobody"))


async def test_cached_tokens_are_reported(backend: Backend) -> None:
    messages = ask("A story told to the server. " * 40)
    first, second = [
        (await backend.complete(Request(messages=messages, max_tokens=2))).usage for _ in range(2)
    ]
    assert first.cached_tokens == 0
    assert 128 <= second.cached_tokens < second.prompt_tokens


async def test_a_commit_overtakes_rehearsals(up: Up, backend: Backend) -> None:
    """It is sent when the engine holds five batches; in its turn it would come after all but the last.

    Two batches may end before it: the one that runs when it is sent, and one begun until it has arrived.
    """
    batch = ENGINE_ARGS["max_num_seqs"]
    # The first batch lasts until the server has read the other prompts. None ends before its limit.
    long = [Request(messages=ask(f"Rehearse {i}"), max_tokens=1900) for i in range(batch)]
    requests = [Request(messages=ask(f"Rehearse {i}"), max_tokens=600) for i in range(batch, 5 * batch)]
    endless = up.client("vllm", extra_body={"ignore_eos": True})
    rehearsals = [asyncio.create_task(endless.complete(request)) for request in long]

    def ended() -> int:
        return sum(rehearsal.done() for rehearsal in rehearsals)

    async def all_held() -> None:
        while True:
            held = await up.requests_held()
            if ended() + held >= len(rehearsals):
                break
            await asyncio.sleep(0.05)

    try:
        await all_held()
        rehearsals += [asyncio.create_task(endless.complete(request)) for request in requests]
        await all_held()
        before = ended()
        await backend.complete(Request(messages=ask("Commit"), max_tokens=2, priority=-1))
        passed = ended() - before
    finally:
        for rehearsal in rehearsals:
            rehearsal.cancel()
        ends = await asyncio.gather(*rehearsals, return_exceptions=True)
        await endless.aclose()
    assert all(isinstance(end, Completion | asyncio.CancelledError) for end in ends), ends
    assert before < 2 * batch, "the engine never held enough at once for this to tell anything"
    assert passed <= 2 * batch


async def test_eight_attempts_at_once(backend: Backend, tmp_path: Path) -> None:
    check_plan(await rehearsed(backend, tmp_path / "journal.db"))


async def test_cancelled_sessions_leave_nothing(up: Up, backend: Backend, tmp_path: Path) -> None:
    await backend.complete(Request(messages=ask("Are you there?"), max_tokens=4))
    threads, processes = thread_names(), descendants(os.getpid())
    await cancel_sessions(backend, tmp_path, 100)
    async with asyncio.timeout(10):
        while True:  # the gauges are those of the engine's last step
            await backend.complete(Request(messages=ask("Still there?"), max_tokens=4))
            if not await up.requests_held():
                break
    assert descendants(os.getpid()) == processes
    assert thread_names() == threads
    assert rehearsing_tasks() == set()


async def test_cancelled_requests_hold_nothing(up: Up) -> None:
    """Had they gone on, one more would have to wait for minutes. None comes to its own end before."""
    endless = up.client("vllm", extra_body={"ignore_eos": True})
    await check_cancelled(endless, 32)
    await endless.aclose()


async def test_what_the_server_says_is_told_whole(up: Up) -> None:
    """No key is given to it, so there is none to cut out of its words."""
    made = up.client("vllm", model="none")
    with pytest.raises(RequestRejected, match="`none`"):
        await made.complete(Request(messages=ask("Hi")))
    await made.aclose()


async def test_no_key_of_another_provider_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keys.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-elses")
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    made = resolve("vllm:tiny", base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(AuthenticationFailed):
        await made.complete(Request(messages=ask("Hi")))
    await made.aclose()
    listening.close()
    assert b"sk-somebody" not in keys[0]


@pytest.mark.parametrize(
    "options", [{"engine_args": {"seed": 1}}, {"tool_parser": "hermes"}, {"nonsense": 1}]
)
def test_options_of_the_other_way_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        resolve("vllm:tiny", base_url="http://127.0.0.1:1/v1", **options)


async def test_asked_to_end_it_ends_with_everything(up: Up) -> None:
    """Last, because it ends the module's server."""
    processes = descendants(up.program.pid)
    assert len(processes) >= 3, "API server, engine core and worker"
    up.program.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        assert await up.program.wait() == 0
    assert await asyncio.to_thread(all_gone, processes, 1.0)
    no_retry = resolve("vllm:tiny", base_url=f"http://127.0.0.1:{up.port}/v1", retry=RetryPolicy(attempts=1))
    with pytest.raises(ConnectionLost):
        await no_retry.complete(Request(messages=ask("Hi")))
    await no_retry.aclose()
