"""The tail ratio."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import NotEnoughEvidence
from assay.stats.samples import Sample
from assay.stats.tails import share_of_repeats, tail_level, tail_ratio
from tests.fakes.samples import responding_differently, sample, sample_pair

LEVEL = 0.95


@pytest.mark.parametrize(("repeats", "kept"), [(1, 1), (5, 1), (6, 2), (10, 2), (11, 3), (20, 4)])
def test_the_tail_is_the_mean_of_the_top_fifth_rounded_up(repeats: int, kept: int) -> None:
    """At 3 repeats a tail of nothing would say nothing; rounding up keeps one run."""
    values = np.random.default_rng(0).permutation(np.arange(1.0, repeats + 1))
    top = np.arange(repeats - kept + 1, repeats + 1).mean()
    assert tail_level(sample(values, n_tasks=1)) == pytest.approx(top)


def test_the_ratio_is_the_typical_tasks_and_not_the_dearest_ones() -> None:
    """Each golden task counts once, however dear: that is how it differs from the p95."""
    base = sample([1.0, 1.0, 1.0, 1000.0, 1000.0, 1000.0], n_tasks=2)
    cand = sample([4.0, 4.0, 4.0, 1000.0, 1000.0, 1000.0], n_tasks=2)
    found = tail_ratio(base, cand, level=LEVEL)
    assert found.estimate == pytest.approx(2.0)
    assert found.estimate == pytest.approx(tail_level(cand) / tail_level(base))


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10.0))
def test_swapping_mirrors_and_a_factor_moves_the_interval(seed: int, factor: float) -> None:
    """Neither the names of the arms nor the unit may matter."""
    a, b = sample_pair(np.random.default_rng(seed), n_tasks=6, repeats=4)
    there, back = tail_ratio(a, b, level=LEVEL), tail_ratio(b, a, level=LEVEL)
    scaled = tail_ratio(a, Sample(b.values * factor, b.tasks, n_tasks=6), level=LEVEL)
    assert 1 / back.upper == pytest.approx(there.lower)
    assert scaled.lower == pytest.approx(there.lower * factor)
    assert scaled.upper == pytest.approx(there.upper * factor)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    """Runs finish in any order."""
    rng = np.random.default_rng(seed)
    a, b = sample_pair(rng, n_tasks=6, repeats=4)
    order = rng.permutation(b.values.size)
    shuffled = Sample(b.values[order], b.tasks[order], n_tasks=6)
    found, other = tail_ratio(a, b, level=LEVEL), tail_ratio(a, shuffled, level=LEVEL)
    assert (found.lower, found.upper) == pytest.approx((other.lower, other.upper))


@pytest.mark.parametrize("repeats", [(20, 5), (3, 20), (6, 7)])
def test_other_numbers_of_repeats_do_not_lean_to_one_side(repeats: tuple[int, int]) -> None:
    """The dearest of 3 runs is not the dearest fifth of 20: limits at 5 % erred up to 88 %."""
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(500):
        arms = [sample(np.exp(rng.normal(0.0, 0.8, 20 * runs)), n_tasks=20) for runs in repeats]
        found = tail_ratio(arms[0], arms[1], level=LEVEL)
        errors.append((found.lower > 1, found.upper < 1))
    assert (np.mean(errors, axis=0) < 0.085).all()


def test_ties_in_the_tail_are_a_tail() -> None:
    """Whole numbers tie often; how a sort breaks ties must not be seen."""
    arm = sample([1.0, 7.0, 7.0, 7.0, 7.0, 7.0], n_tasks=1)
    assert tail_level(arm) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("values", "n_tasks", "words"),
    [([1.0, 2.0], 1, "1 golden task"), ([0.0, 1.0], 2, "zero"), ([1.0, 2.0], 3, "has 0 runs")],
)
def test_what_carries_no_ratio_is_refused(values: list[float], n_tasks: int, words: str) -> None:
    """One task, a tail of zero, a missing cell: none of them is a ratio of 1."""
    tasks = np.minimum(np.arange(2), n_tasks - 1)
    arm = Sample(np.array(values), tasks, n_tasks=n_tasks)
    with pytest.raises(NotEnoughEvidence, match=words):
        tail_ratio(arm, arm, level=LEVEL)


def test_arms_with_other_tasks_are_refused() -> None:
    """Pairs of different tasks would be compared without a word."""
    with pytest.raises(ValueError, match="must be alike"):
        tail_ratio(sample([1, 2, 3], n_tasks=3), sample([1, 2, 3, 4], n_tasks=4), level=LEVEL)


@pytest.mark.parametrize("repeats", [3, 20])
def test_repeats_shrink_the_error_unless_tasks_respond_differently(repeats: int) -> None:
    """Where they do, more golden tasks are what helps, and that has to be said."""
    rng = np.random.default_rng(5)
    pairs = [sample_pair(rng, n_tasks=20, repeats=repeats) for _ in range(60)]
    alike = [share_of_repeats(*pair) for pair in pairs]
    unlike = [
        share_of_repeats(base, responding_differently(cand, rng, spread=1.0))
        for base, cand in pairs
    ]
    assert np.mean(np.equal(alike, 1.0)) > 0.8
    assert np.mean(unlike) < 0.35
    assert all(0 <= share <= 1 and math.isfinite(share) for share in alike + unlike)
