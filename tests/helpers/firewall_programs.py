"""Random programs of guarded calls, as `helpers.firewall.Run` carries them out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from helpers.firewall import ASYNC_LEAVES, SYNC_LEAVES, Run, pay_or_refusal
from hypothesis import strategies as st

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
        assert pool.submit(pay_or_refusal, 1).result(60) == -1
        yield pool
