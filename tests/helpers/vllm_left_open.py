"""A program that uses an engine and does not close it."""

from __future__ import annotations

import asyncio

from helpers.vllm import ENGINE_ARGS, ask, model

from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.records import Request


async def main() -> None:
    backend = VLLMBackend(model(), engine_args=ENGINE_ARGS)
    answer = await backend.complete(Request(messages=ask("Hi"), max_tokens=4))
    print(answer.usage.completion_tokens, backend.process_ids, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
