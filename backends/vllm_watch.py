"""No engine process outlives the program that started it, even one that was killed with SIGKILL.

vLLM's processes are not daemons: when their parent is killed they keep running, with the
memory of the GPU. `register` is vLLM's own extension point (entry point group
`vllm.general_plugins`): vLLM calls it in the API server, in each engine core and in each worker.
It does nothing unless the process was started by artis_sdk.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Mapping

OWNER = "_ARTIS_VLLM_OWNER"
"""Environment variable: the process id of the program that the engine belongs to."""
GROUP = "_ARTIS_VLLM_GROUP"
"""Environment variable: set where the engine's processes are a process group of their own."""
PLUGIN = "artis_watch"
"""The name of the entry point; `VLLM_PLUGINS`, where set, must list it."""

_watching: int | None = None


def register() -> None:
    """Watch the owner from this process, once; Linux only (it needs pidfd)."""
    global _watching
    owner = int(os.environ.get(OWNER, "0"))
    if owner in (0, os.getpid()) or _watching == os.getpid() or not hasattr(os, "pidfd_open"):
        return
    _watching = os.getpid()
    threading.Thread(target=_die_with, args=(owner,), name="artis-owner-watch", daemon=True).start()


def watched_environment(environment: Mapping[str, str], *, own_group: bool) -> dict[str, str]:
    """Environment variables with which a child of this process is watched."""
    added = {OWNER: str(os.getpid()), **({GROUP: "1"} if own_group else {})}
    allowed = environment.get("VLLM_PLUGINS")
    if allowed is not None and PLUGIN not in allowed.split(","):
        added["VLLM_PLUGINS"] = ",".join(filter(None, (allowed, PLUGIN)))
    return added


def _die_with(owner: int) -> None:
    try:
        descriptor = os.pidfd_open(owner)
    except ProcessLookupError:
        pass  # it died before this process had come so far
    else:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)  # readable when the process has ended
        poll.poll()
    if GROUP in os.environ:
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
