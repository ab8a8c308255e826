"""Random programs of guarded calls, as `helpers.firewall_run.Run` carries them out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import pytest
from helpers.firewall import ASYNC_LEAVES, SYNC_LEAVES, pay_or_refusal
from helpers.firewall_run import Run
from hypothesis import strategies as st

from artis_sdk.tools import bridge

METHODS = [name for name in dir(Run) if name.startswith(("run_", "sync_"))]
KINDS = sorted({name.partition("_")[2] for name in METHODS} - {"leaf"})
LEAVES = [*SYNC_LEAVES, *ASYNC_LEAVES]


def nodes(children: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.sampled_from(KINDS), st.lists(children, min_size=1, max_size=3))


programs = st.recursive(st.sampled_from(LEAVES), nodes, max_leaves=8)


@contextmanager
def warm_processes() -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that was warm before every rehearsal and commit."""
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        assert pool.submit(pay_or_refusal, 1).result(600) == -1
        yield pool


@contextmanager
def little_patience() -> Iterator[None]:
    """A program whose event loop waits for its own pool's thread is refused soon, not in half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridge, "_SILENCE", 2.0)
        yield


@contextmanager
def garbage_of_its_own() -> Iterator[None]:
    """Of what is garbage at the end, only that which was made in the block is collected there.

    So it costs nothing that the test suite holds ever more, and the last words of a program come in its own
    time.
    """
    gc.freeze()
    try:
        yield
        while gc.collect():
            pass
    finally:
        gc.unfreeze()
