"""`artis serve`: a vLLM server with the right flags for an agent and its simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from artis_sdk.backends.vllm.serve import serve as serve_until_asked
from artis_sdk.backends.vllm.serve import server
from artis_sdk.cli.output import console, errors, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.view.text import plain


def serve(
    model: Annotated[str, typer.Argument(help="Path or hub id of the model.")],
    adapter: Annotated[
        list[str] | None, typer.Option(help="A LoRA adapter as NAME=PATH; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name for clients.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    tool_parser: Annotated[
        str | None, typer.Option(help="vLLM's name of the call format; by default from the chat template.")
    ] = None,
    tensor_parallel: Annotated[
        int | None, typer.Option(help="Number of GPUs over which one copy of the model is split.")
    ] = None,
    data_parallel: Annotated[int | None, typer.Option(help="Number of copies of the model.")] = None,
    extra: Annotated[
        list[str] | None, typer.Argument(help="Further arguments of vllm serve, after `--`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON document.")] = False,
) -> None:
    """Serve a model, and simulator adapters beside it, until this command is interrupted.

    Tools, structured output, prefix caching, priorities and adapters are on.
    """
    started = server(
        model,
        adapters=_adapters(adapter or []),
        name=name,
        host=host,
        port=port,
        tool_parser=tool_parser,
        tensor_parallel=tensor_parallel,
        data_parallel=data_parallel,
        extra=extra or (),
    )

    def announce(how: str) -> None:
        if as_json:
            print_json(
                {"base_url": started.base_url, "model": started.name, "adapters": list(started.adapters)}
            )
        else:
            console.print(plain(how, lines=True), soft_wrap=True)

    errors.print(plain("starting vLLM; its log follows. Ctrl-C ends it.", style="dim"))
    code = asyncio.run(serve_until_asked(started, announce=announce))
    if code != 0:
        raise SystemExit(code)


def _adapters(given: list[str]) -> dict[str, Path]:
    adapters: dict[str, Path] = {}
    for item in given:
        name, separator, path = item.partition("=")
        if not separator or not name or not path:
            raise ConfigurationError(f"--adapter {item!r}: write NAME=PATH")
        adapters[name] = Path(path)
    return adapters
