"""Intervals hold what they promise: Wilson's for shares, the bootstrap over sessions for means."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.evals.intervals import (
    Estimate,
    bin_of,
    expected_calibration_error,
    mean,
    mean_of_cells,
    resampled,
    share,
)

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(case: tuple[int, int]) -> None:
    hits, n = case
    found = share(hits, n)
    assert found.value == hits / n
    assert found.low is not None
    assert found.high is not None
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low < 1.0  # few rows never prove anything
    assert found.high > 0.0
    mirror = share(n - hits, n)
    assert mirror.low == pytest.approx(1 - found.high)


def test_wilson_by_the_book() -> None:
    """Numbers from Newcombe (1998), table I: 81 of 263, and 0 of 20."""
    found = share(81, 263)
    assert [found.low, found.high] == pytest.approx([0.2553, 0.3662], abs=1e-4)
    found = share(0, 20)
    assert [found.low, found.high] == pytest.approx([0.0, 0.1611], abs=1e-4)


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    drawn = random.Random(1)
    for p, n in ((0.5, 30), (0.9, 50), (0.02, 200)):
        covered = 0
        for _ in range(1500):
            found = share(sum(drawn.random() < p for _ in range(n)), n)
            assert found.low is not None
            assert found.high is not None
            covered += found.low <= p <= found.high
        assert 0.92 <= covered / 1500 <= 0.985, (p, n)


def test_nothing_gives_an_empty_estimate() -> None:
    for found in (share(0, 0), mean([], []), mean_of_cells([([], [])])):
        assert found == Estimate()
        assert str(found) == "-"
    assert str(share(1, 2)) == "50.0 [9.5, 90.5]"


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 4)), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_mean_lies_in_its_interval_and_is_the_same_twice(rows: list[tuple[float, int]]) -> None:
    values, sessions = [value for value, _ in rows], [session for _, session in rows]
    found = mean(values, sessions)
    assert found.value == pytest.approx(sum(values) / len(values))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= (found.value or 0.0) <= found.high
    assert found == mean(values, sessions)


def test_rows_of_one_session_tell_less_than_rows_of_many() -> None:
    drawn = random.Random(3)
    means = [drawn.random() for _ in range(10)]
    alike = [value for value in means for _ in range(20)]
    together = mean(alike, [n // 20 for n in range(200)])
    apart = mean(alike, list(range(200)))
    assert width(together) > 3 * width(apart)


def width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


@pytest.mark.slow
def test_the_bootstrap_covers_the_truth_with_sessions_that_are_alike() -> None:
    """40 sessions of 5 equal rows: an interval that took rows for independent covers half as often."""
    drawn = random.Random(5)
    covered = 0
    for trial in range(100):
        per_session = [drawn.random() for _ in range(40)]
        values = [value for value in per_session for _ in range(5)]
        found = mean(values, [n // 5 for n in range(200)], seed=trial)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.5 <= found.high
    assert covered / 100 >= 0.85


def test_cells_count_alike_however_many_rows_they_have() -> None:
    found = mean_of_cells([([1.0] * 99, list(range(99))), ([0.0], [0])])
    assert found.value == 0.5
    assert found.n == 100


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_calibration_error_is_0_to_1_and_0_for_certainty_that_comes_true(
    rows: list[tuple[float, bool]],
) -> None:
    said, did = [p for p, _ in rows], [hit for _, hit in rows]
    assert 0.0 <= expected_calibration_error(said, did) <= 1.0
    assert expected_calibration_error([float(hit) for hit in did], did) == 0.0
    assert expected_calibration_error([float(not hit) for hit in did], did) == 1.0


def test_the_calibration_error_weighs_bins_by_their_rows() -> None:
    said, did = [0.05] * 8 + [0.95] * 2, [False] * 8 + [True, False]
    assert expected_calibration_error(said, did) == pytest.approx(0.8 * 0.05 + 0.2 * 0.45)
    assert [bin_of(p, 10) for p in (0.0, 0.1, 0.999, 1.0)] == [0, 1, 9, 9]


def test_any_number_can_be_resampled_by_session() -> None:
    values = [0.0, 0.0, 1.0, 1.0]
    found = resampled(lambda rows: sum(values[n] for n in rows) / len(rows), ["a", "a", "b", "b"])
    assert found == Estimate(value=0.5, low=0.0, high=1.0, n=4)  # both sessions drawn alike, or one twice
