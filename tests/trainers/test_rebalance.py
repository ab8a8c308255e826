"""Equation 6: draws by the rarity of the outcome type, with a cap."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from artis_sdk.errors import TrainingError
from artis_sdk.trainers.dataset.rebalance import FAILURE_DRIVEN, NORMAL, Distribution, Rebalance, distribute
from artis_sdk.trainers.dataset.rebalance_view import plot, table

LOG = [("pay", "success", 900), ("pay", "Frozen", 90), ("pay", "Expired", 1), ("get", "success", 9)]


def draws(found: Distribution) -> dict[tuple[str, str], float]:
    return {(cell.tool, cell.type): round(cell.draws, 6) for cell in found.cells}


def test_without_a_cap_every_cell_gets_the_same() -> None:
    found = distribute(LOG, Rebalance(cap=1e9, target=1000))
    assert set(draws(found).values()) == {250.0}
    assert found.most_repeats == pytest.approx(250)
    assert found.failures == pytest.approx((0.091, 0.5))


def test_an_exponent_of_zero_leaves_the_log_as_it_is() -> None:
    found = distribute(LOG, NORMAL)
    assert draws(found) == {(tool, type_): float(n) for tool, type_, n in LOG}
    assert found.effective_rows == pytest.approx(1000)
    assert not any(cell.capped for cell in found.cells)


def test_the_cap_holds_and_what_it_frees_goes_to_the_others_by_weight() -> None:
    found = distribute(LOG, Rebalance(cap=10.0, target=1000))
    got = draws(found)
    assert (got["pay", "Expired"], got["get", "success"]) == (10.0, 90.0)
    assert got["pay", "success"] == got["pay", "Frozen"] == 450.0
    assert [cell.type for cell in found.cells if cell.capped] == ["success", "Expired"]
    assert "The cap of 10 draws per row limits 2 of 4 strata" in " ".join(found.explain())


def test_an_exponent_between_is_between() -> None:
    got = draws(distribute(LOG, Rebalance(exponent=0.5, cap=1e9, target=1000)))
    assert got["pay", "success"] / got["pay", "Frozen"] == pytest.approx((900 / 90) ** 0.5)


def test_a_target_that_the_cap_cannot_reach_is_said() -> None:
    found = distribute([("f", "success", 10)], Rebalance(cap=2.0, target=1000))
    assert found.draws == 20
    assert "1,000 draws were requested: the cap leaves 20." in found.explain()


def test_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match="no rows"):
        distribute([], FAILURE_DRIVEN)


CELLS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 10_000)),
    min_size=1,
    unique_by=lambda cell: cell[:2],
)


@given(CELLS, st.floats(0, 2), st.floats(1, 100), st.none() | st.integers(1, 100_000))
def test_the_draws_are_as_many_as_asked_for_ordered_by_rarity_and_never_above_the_cap(
    cells: list[tuple[str, str, int]], exponent: float, cap: float, target: int | None
) -> None:
    found = distribute(cells, Rebalance(exponent=exponent, cap=cap, target=target))
    rows = sum(n for _, _, n in cells)
    wanted = min(target or min(50_000, rows), int(cap * rows))
    assert sum(cell.draws for cell in found.cells) == pytest.approx(wanted, rel=1e-9)
    assert found.most_repeats <= cap * (1 + 1e-9)
    by_rarity = sorted(found.cells, key=lambda cell: cell.rows)
    assert all(a.repeats >= b.repeats * (1 - 1e-9) for a, b in pairwise(by_rarity))
    assert found.effective_rows <= rows * (1 + 1e-9)


def test_the_table_and_the_plot_show_before_and_after() -> None:
    found = distribute([*LOG, ("get", "<&>", 3)], Rebalance(cap=10.0, target=1000))
    text = StringIO()
    Console(width=120, file=text).print(table(found, shown=3))
    assert "Frozen" in text.getvalue()
    assert "2 more" in text.getvalue()
    drawn = ElementTree.fromstring(plot(found))
    texts = [node.text for node in drawn.iter() if node.text and node.text.strip()]
    assert "<&>" in texts
    assert "9.0%" in texts
