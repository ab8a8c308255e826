"""A program that owns an engine, for a test that kills it."""

from __future__ import annotations

import asyncio
import json

from helpers.vllm import ENGINE_ARGS, model

from artis_sdk.backends.vllm import VLLMBackend


async def engine() -> None:
    backend = VLLMBackend(model(), engine_args=ENGINE_ARGS)
    await backend.start()
    print(json.dumps(backend.process_ids), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(engine())
