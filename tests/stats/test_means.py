"""Means paired by golden task."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.errors import NotEnoughEvidence
from assay.stats.means import (
    paired_difference_of_means,
    paired_ratio_of_means,
    share_of_repeats,
)
from tests.fakes.samples import responding_differently, sample_pair

LEVEL = 0.95
amounts = st.floats(0.5, 1e6)
pairs = st.lists(st.tuples(amounts, amounts), min_size=2, max_size=20)


@given(st.lists(st.tuples(*[st.floats(1.0, 500.0)] * 2), min_size=2, max_size=20))
def test_the_ratio_follows_its_definition(tasks: list[tuple[float, float]]) -> None:
    """psi_i = c_i/c - b_i/b, and the quadratic form of its squares, here as a matrix."""
    base, cand = np.array(tasks).T
    weights = cand / cand.mean() + base / base.mean()
    psi = cand / cand.mean() - base / base.mean()
    h = weights / weights.sum()
    residuals = np.diag(h) @ (np.eye(h.size) - np.outer(np.ones(h.size), h))
    form = residuals.T @ residuals
    squared = (psi**2).sum() / h.size**2 * (h**2).sum() / np.trace(form)
    freedom = max(1.0, min(h.size - 1, np.trace(form) ** 2 / np.trace(form @ form)))
    half = stats.t.ppf(LEVEL, freedom) * math.sqrt(squared)
    found = paired_ratio_of_means(base, cand, level=LEVEL)
    ratio = cand.mean() / base.mean()
    assert found.estimate == pytest.approx(ratio)
    assert found.lower == pytest.approx(ratio * math.exp(-half))
    assert found.upper == pytest.approx(ratio * math.exp(half))


@given(pairs)
def test_swapping_the_arms_mirrors_the_ratio(tasks: list[tuple[float, float]]) -> None:
    """Otherwise it would matter which prompt is called the candidate."""
    base, cand = np.array(tasks).T
    there = paired_ratio_of_means(base, cand, level=LEVEL)
    back = paired_ratio_of_means(cand, base, level=LEVEL)
    assert 1 / back.upper == pytest.approx(there.lower)
    assert 1 / back.lower == pytest.approx(there.upper)


@given(pairs, st.floats(0.01, 100.0))
def test_a_constant_factor_moves_the_ratio_by_it(
    tasks: list[tuple[float, float]], factor: float
) -> None:
    """Dollars or cents: the unit must not matter."""
    base, cand = np.array(tasks).T
    plain = paired_ratio_of_means(base, cand, level=LEVEL)
    scaled = paired_ratio_of_means(base, cand * factor, level=LEVEL)
    assert scaled.lower == pytest.approx(plain.lower * factor, rel=1e-6)
    assert scaled.upper == pytest.approx(plain.upper * factor, rel=1e-6)


@given(pairs)
def test_the_difference_is_a_paired_t_interval(tasks: list[tuple[float, float]]) -> None:
    """It is what stands in where a mean of zero has no ratio."""
    base, cand = np.array(tasks).T
    found = paired_difference_of_means(base, cand, level=LEVEL)
    gap = cand - base
    half = stats.t.ppf(LEVEL, gap.size - 1) * gap.std(ddof=1) / math.sqrt(gap.size)
    assert found.estimate == pytest.approx(gap.mean(), abs=1e-6)
    assert found.upper - found.estimate == pytest.approx(half, abs=1e-5)


@pytest.mark.parametrize(
    "levels",
    [[1.0] * 20, [1000.0, 100.0, 100.0] + [1.0] * 17, [1e6, 1e6] + [1.0] * 18, [1e4] + [1.0] * 19],
)
def test_a_task_that_is_most_of_the_cost_does_not_look_sure(levels: list[float]) -> None:
    """As a plain t over tasks, limits at 5 % erred up to 19 % of the time."""
    rng = np.random.default_rng(4)
    errors = []
    for _ in range(1000):
        base, cand = np.array(levels) * np.exp(rng.normal(0.0, 0.2, (2, len(levels))))
        found = paired_ratio_of_means(base, cand, level=LEVEL)
        errors.append((found.lower > 1, found.upper < 1))
    assert (np.mean(errors, axis=0) < 0.075).all()


def test_one_task_that_uses_any_is_not_enough() -> None:
    """Only one golden task calls tools: its ratio was exact, as if it never varied."""
    with pytest.raises(NotEnoughEvidence, match="only one golden task"):
        paired_ratio_of_means([4.0, 0.0, 0.0], [6.0, 0.0, 0.0], level=LEVEL)


def test_alike_in_every_task_is_exact_and_labelled() -> None:
    """A replay: the limits meet, which is no certainty about other tasks."""
    found = paired_ratio_of_means([1.0, 2.0, 5.0], [1.1, 2.2, 5.5], level=LEVEL)
    assert found.no_variance
    assert found.lower == found.estimate == found.upper == pytest.approx(1.1)


@pytest.mark.parametrize(("base", "cand"), [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0])])
def test_a_mean_of_zero_has_no_ratio(base: list[float], cand: list[float]) -> None:
    """An infinite ratio would end in a table as a number."""
    with pytest.raises(NotEnoughEvidence, match="a mean of zero"):
        paired_ratio_of_means(base, cand, level=LEVEL)
    assert paired_difference_of_means(base, cand, level=LEVEL).estimate in (1.5, -1.5)


def test_one_golden_task_is_refused() -> None:
    """One task has no spread over tasks, so nothing can be said of tasks like it."""
    with pytest.raises(NotEnoughEvidence, match="1 golden task"):
        paired_ratio_of_means([1.0], [2.0], level=LEVEL)


def test_arms_with_other_tasks_are_refused() -> None:
    """Pairs of different tasks would be compared without a word."""
    with pytest.raises(ValueError, match="must be alike"):
        paired_ratio_of_means([1.0, 2.0], [1.0, 2.0, 3.0], level=LEVEL)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_mean_that_is_not_finite_is_refused(value: float) -> None:
    """It would make every limit nan, and no comparison with nan ever fails a gate."""
    with pytest.raises(ValueError, match="not finite"):
        paired_ratio_of_means([1.0, value], [1.0, 2.0], level=LEVEL)


def test_limits_stay_finite_with_two_wildly_different_tasks() -> None:
    """A decision is printed as JSON, which knows no infinity."""
    found = paired_ratio_of_means([1.0, 1e6], [1e6, 1.0], level=1 - 1e-6)
    assert 0 < found.lower < found.upper < math.inf


def test_repeats_shrink_all_of_the_error_where_tasks_respond_alike() -> None:
    """Else a person would be told to write golden tasks where patience would do."""
    rng = np.random.default_rng(3)
    shares = [
        share_of_repeats(*sample_pair(rng, n_tasks=20, repeats=10, factor=1.2)) for _ in range(100)
    ]
    assert np.mean(np.equal(shares, 1.0)) > 0.85


def test_repeats_shrink_little_where_tasks_respond_differently() -> None:
    """The error has a floor that only more golden tasks take away."""
    rng = np.random.default_rng(3)
    base, cand = sample_pair(rng, n_tasks=20, repeats=40)
    unlike = responding_differently(cand, rng, spread=0.6)
    assert share_of_repeats(base, unlike) < 0.2
