"""Random programs of guarded calls, as `helpers.firewall.Run` carries them out."""

from __future__ import annotations

from helpers.firewall import ASYNC_LEAVES, SYNC_LEAVES, Run
from hypothesis import strategies as st

METHODS = [name for name in dir(Run) if name.startswith(("run_", "sync_"))]
KINDS = sorted({name.partition("_")[2] for name in METHODS} - {"leaf"})
LEAVES = [*SYNC_LEAVES, *ASYNC_LEAVES]


def nodes(children: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.sampled_from(KINDS), st.lists(children, min_size=1, max_size=3))


programs = st.recursive(st.sampled_from(LEAVES), nodes, max_leaves=8)
