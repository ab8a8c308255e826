"""Random programs of nested guarded calls.

Not in the module of the tools: a sandbox looks at all that its globals hold, before and after each call.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Program = list[Any]
"""Instructions, each a pair of its kind and a word or an inner program."""
words = st.tuples(st.sampled_from(["note", "leaf", "fail"]), st.sampled_from("abc")).map(list)
programs = st.recursive(
    st.lists(words, max_size=3),
    lambda inner: st.lists(
        words | st.tuples(st.sampled_from(["call", "catch", "task", "thread"]), inner).map(list), max_size=3
    ),
    max_leaves=10,
)
