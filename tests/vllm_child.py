"""A program that owns an engine or a server, for tests that end it: `vllm_child.py engine|serve PORT`."""

from __future__ import annotations

import asyncio
import json
import sys

from vllm_helpers import ENGINE_ARGS, SERVER_FLAGS, adapters, model

from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.backends.vllm_serve import serve, server


def say(text: str) -> None:
    print(text, flush=True)


async def engine() -> None:
    backend = VLLMBackend(model(), engine_args=ENGINE_ARGS)
    await backend.start()
    say(json.dumps(backend.process_ids))
    await asyncio.Event().wait()


async def serving(port: int) -> int:
    made = server(model(), adapters=adapters(), name="tiny", port=port, extra=SERVER_FLAGS)
    return await serve(made, announce=say)


if __name__ == "__main__":
    if sys.argv[1] == "engine":
        asyncio.run(engine())
    else:
        sys.exit(asyncio.run(serving(int(sys.argv[2]))))
