"""Random programs of guarded calls during a rehearsal: no real body runs, on any path."""

from __future__ import annotations

import asyncio

from helpers.firewall import ASYNC_LEAVES, CANARIES, SYNC_LEAVES, CountingWorld, Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.tools import entered, running_code
from artis_sdk.tools.bridge import with_sync_calls

METHODS = [name for name in dir(Run) if name.startswith(("run_", "sync_"))]
KINDS = sorted({name.partition("_")[2] for name in METHODS} - {"leaf"})
LEAVES = [*SYNC_LEAVES, *ASYNC_LEAVES]


def nodes(children: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.sampled_from(KINDS), st.lists(children, min_size=1, max_size=3))


programs = st.recursive(st.sampled_from(LEAVES), nodes, max_leaves=8)


def rehearse(program: object, *, runs_code: bool = True) -> tuple[Run, CountingWorld]:
    async def main() -> tuple[Run, CountingWorld]:
        run, world = Run("run"), CountingWorld()
        with running_code("rehearsal", runs_code), entered(world):
            await with_sync_calls(lambda: run.run(program))
            await run.join()
        return run, world

    return asyncio.run(main())


def test_every_kind_of_program_is_drawn() -> None:
    assert {"to_thread", "executor", "raw_thread", "done_callback", "cancelled", "own_loop"} <= set(KINDS)
    assert {"outer", "call_soon_threadsafe", "generator", "own_pool", "left_behind"} <= set(KINDS)


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(programs)
def test_no_real_body_runs_during_a_rehearsal(program: object) -> None:
    CANARIES.clear()
    run, world = rehearse(program)
    assert CANARIES == []
    assert run.count["wrong"] == 0
    # Each call that the program made was predicted by its own world or refused; a cancelled one may
    # have been predicted without its caller hearing of it.
    heard = run.count["predicted"] + run.count["failed"]
    assert heard <= world.handled
    assert len(world.threads) <= 1  # the world is only ever entered on its own event loop


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=4), st.booleans())
def test_calls_whose_context_is_kept_are_predicted_not_refused(leaves: list[str], runs_code: bool) -> None:
    CANARIES.clear()
    kept = [(kind, leaves) for kind in ("to_thread", "context_run", "executor_with_context", "own_loop")]
    run, world = rehearse(("seq", [*kept, *leaves]), runs_code=runs_code)
    sync = sum(leaf in SYNC_LEAVES for leaf in leaves)
    assert CANARIES == []
    assert run.count["refused"] == 0
    assert run.count["predicted"] + run.count["failed"] == world.handled == 3 * sync + 2 * len(leaves)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["executor", "own_pool", "raw_thread", "empty_context_task", "empty_context"]),
    st.lists(st.sampled_from(list(SYNC_LEAVES)), min_size=1, max_size=4),
)
def test_calls_whose_context_is_lost_are_refused(kind: str, leaves: list[str]) -> None:
    CANARIES.clear()
    run, world = rehearse((kind, leaves))
    assert CANARIES == []
    assert run.count == {"refused": len(leaves)}
    assert world.handled == 0
