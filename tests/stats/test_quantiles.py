"""The ratio of two p95."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from assay.errors import NotEnoughEvidence
from assay.stats.quantiles import quantile_distribution, quantile_estimate, ratio_of_quantiles
from assay.stats.samples import Sample
from tests.fakes.samples import cells, sample, sample_pair

LEVEL = 0.95
seeds = st.integers(0, 2**32 - 1)


def pair_of(seed: int, *, n_tasks: int = 6, repeats: int = 4) -> tuple[Sample, Sample]:
    """Whole numbers, some of them tied, some zero."""
    rng = np.random.default_rng(seed)
    shape = (2, n_tasks * repeats)
    drawn = np.floor(rng.lognormal(2.0, 0.8, shape)) * (rng.random(shape) > 0.1)
    drawn[:, :3] += 5.0
    return sample(drawn[0], n_tasks=n_tasks), sample(drawn[1], n_tasks=n_tasks)


def by_the_definition(arm: Sample, quantile: float) -> list[float]:
    """Steps 1-3 of the method as they are written, value by value, without any cleverness."""
    reached, highest = [], 0.0
    distinct = sorted(set(arm.values.tolist()))
    for value in distinct:
        share = variance = 0.0
        for task in range(arm.n_tasks):
            runs = arm.values[arm.tasks == task]
            p = float((runs <= value).mean())
            share += p / arm.n_tasks
            variance += p * (1 - p) / ((runs.size - 1) * arm.n_tasks**2)
        if variance > 0:
            sure = float(ndtr((share - quantile) / math.sqrt(variance)))
        else:
            sure = float(share >= quantile - 1e-9)
        highest = max(highest, sure)
        reached.append(highest)
    reached[-1] = 1.0
    return reached


@given(seeds)
def test_the_distribution_follows_its_definition(seed: int) -> None:
    """The fast cumulative form must not drift from the formula that was calibrated."""
    arm, _ = pair_of(seed)
    fast = quantile_distribution(arm, quantile=0.9)
    assert fast.below == pytest.approx(by_the_definition(arm, 0.9), abs=1e-9)


@given(seeds)
def test_the_definition_holds_for_unequal_repeats(seed: int) -> None:
    """Runs get lost: each golden task's spread is its own, by its own number of runs."""
    arm, _ = pair_of(seed, repeats=8)
    kept = np.random.default_rng(seed).random(arm.values.size) > 0.3
    kept[np.arange(kept.size) % 8 < 3] = True
    some = Sample(arm.values[kept], arm.tasks[kept], n_tasks=arm.n_tasks)
    fast = quantile_distribution(some, quantile=0.9)
    assert fast.below == pytest.approx(by_the_definition(some, 0.9), abs=1e-9)


def test_the_distribution_weighs_golden_tasks_alike_whatever_their_repeats() -> None:
    """A task that was run more often must not pull the p95 to itself."""
    values = np.concatenate([np.full(300, 1.0), np.full(10, 2.0)])
    tasks = np.concatenate([np.zeros(300, dtype=int), np.ones(10, dtype=int)])
    arm = Sample(values, tasks, n_tasks=2)
    assert quantile_estimate(arm, quantile=0.45) == 1.0
    assert quantile_estimate(arm, quantile=0.55) == 2.0


@given(seeds)
def test_limits_invert_the_convolution(seed: int) -> None:
    """The limits are quantiles of candidate over baseline, all pairs of values weighed."""
    arms = pair_of(seed)
    found = ratio_of_quantiles(*arms, quantile=0.9, level=LEVEL)
    base, cand = (quantile_distribution(arm, quantile=0.9) for arm in arms)
    weights = np.outer(np.diff(base.below, prepend=0), np.diff(cand.below, prepend=0)).ravel()
    # A run of nothing counts as the smallest of numbers, as in the product.
    values = [np.maximum(one.values, 1e-9) for one in (base, cand)]
    ratios = np.divide.outer(values[1], values[0]).T.ravel()
    order = np.argsort(ratios)
    reached = np.cumsum(weights[order])
    # At a plateau of the distribution the step is decided by the last bits: allow a hair.
    lower, upper = (
        (ratios[order][np.searchsorted(reached, p - 1e-9)],
         ratios[order][min(np.searchsorted(reached, p + 1e-9), reached.size - 1)])
        for p in (1 - LEVEL, LEVEL)
    )  # fmt: skip
    if not found.no_variance:
        assert lower[0] * (1 - 1e-9) <= found.lower <= lower[1] * (1 + 1e-9)
        assert upper[0] * (1 - 1e-9) <= found.upper <= upper[1] * (1 + 1e-9)


@given(seeds)
def test_swapping_the_arms_mirrors_the_interval(seed: int) -> None:
    """Otherwise it would matter which prompt is called the candidate."""
    a, b = sample_pair(np.random.default_rng(seed), n_tasks=8, repeats=5)
    there, back = ratio_of_quantiles(a, b, level=LEVEL), ratio_of_quantiles(b, a, level=LEVEL)
    assert 1 / back.estimate == pytest.approx(there.estimate)
    assert 1 / back.upper == pytest.approx(there.lower)
    assert 1 / back.lower == pytest.approx(there.upper)


@given(seeds, st.floats(0.1, 10.0))
def test_a_constant_factor_moves_the_ratio_by_it(seed: int, factor: float) -> None:
    """Tokens or thousands of tokens: the unit must not matter."""
    a, b = pair_of(seed)
    plain = ratio_of_quantiles(a, b, quantile=0.9, level=LEVEL)
    scaled = ratio_of_quantiles(
        a, Sample(b.values * factor, b.tasks, n_tasks=b.n_tasks), quantile=0.9, level=LEVEL
    )
    # A zero stands for the smallest of numbers and does not scale; it is far from the limits.
    for one, other in zip(
        (plain.lower, plain.estimate, plain.upper),
        (scaled.lower, scaled.estimate, scaled.upper),
        strict=True,
    ):
        assert other == pytest.approx(one * factor, rel=1e-6)


@given(seeds)
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    """Runs finish in any order; the decision must not depend on it, to the last bit."""
    a, b = pair_of(seed)
    order = np.random.default_rng(seed).permutation(b.values.size)
    shuffled = Sample(b.values[order], b.tasks[order], n_tasks=b.n_tasks)
    assert ratio_of_quantiles(a, shuffled, level=LEVEL) == ratio_of_quantiles(a, b, level=LEVEL)


@given(seeds)
def test_a_higher_level_widens_the_interval(seed: int) -> None:
    """The limits for failing are at a higher level than those for passing."""
    a, b = sample_pair(np.random.default_rng(seed), n_tasks=8, repeats=5)
    narrow, wide = (ratio_of_quantiles(a, b, level=level) for level in (0.9, 0.99))
    assert wide.lower <= narrow.lower <= narrow.estimate <= narrow.upper <= wide.upper


def test_fewer_than_three_repeats_are_refused() -> None:
    """Two repeats say next to nothing of a spread: the error at 2 is out of bounds."""
    arm = sample(np.arange(1.0, 61.0), n_tasks=20)
    lacking = Sample(arm.values[1:-1], arm.tasks[1:-1], n_tasks=20)
    with pytest.raises(NotEnoughEvidence, match="a golden task has 2 runs; 3 or more"):
        ratio_of_quantiles(arm, lacking, level=LEVEL)


def test_a_golden_task_without_runs_is_refused() -> None:
    """A missing cell would change what the p95 is about."""
    arm = sample(np.arange(1.0, 61.0), n_tasks=3)
    with pytest.raises(NotEnoughEvidence, match="has 0 runs"):
        ratio_of_quantiles(arm, Sample(arm.values, arm.tasks, n_tasks=4), level=LEVEL)


def test_a_p95_of_fewer_than_twenty_runs_is_refused() -> None:
    """No run lies above it: it is the largest of them, and the limits err 6-18 % of the time."""
    few, enough = sample(np.arange(1.0, 20.0), n_tasks=1), sample(np.arange(1.0, 21.0), n_tasks=1)
    with pytest.raises(NotEnoughEvidence, match="19 runs; a p95 needs 20 or more"):
        ratio_of_quantiles(enough, few, level=LEVEL)
    assert ratio_of_quantiles(enough, enough, level=LEVEL).estimate == 1.0


def test_no_variance_is_labelled_and_exact() -> None:
    """A replay's repeats are alike: a width of zero would pass for certainty."""
    arms = [sample(np.repeat([1.0, 2.0, 4.0], 10) * factor, n_tasks=3) for factor in (1.0, 1.25)]
    found = ratio_of_quantiles(*arms, level=LEVEL)
    assert found.no_variance
    assert (found.lower, found.estimate, found.upper) == (1.25, 1.25, 1.25)


def test_no_variance_around_the_p95_is_labelled_too() -> None:
    """Repeats that differ only far below the p95 say nothing of it."""
    restless, steady = np.tile([1.0, 2.0, 3.0], 10), np.full(30, 100.0)
    arms = [
        sample(np.concatenate([restless, steady]) * factor, n_tasks=20) for factor in (1.0, 1.2)
    ]
    found = ratio_of_quantiles(*arms, level=LEVEL)
    assert found.no_variance
    assert found.upper == found.lower == found.estimate == pytest.approx(1.2)


def test_one_arm_without_variance_still_has_an_interval() -> None:
    """A deterministic baseline does not make the candidate's spread disappear."""
    steady = sample(np.full(60, 100.0), n_tasks=20)
    restless = sample(np.random.default_rng(0).lognormal(5.0, 0.4, 60), n_tasks=20)
    found = ratio_of_quantiles(steady, restless, level=LEVEL)
    assert found.lower < found.estimate < found.upper
    assert not found.no_variance


def test_a_quantile_of_zero_has_no_ratio() -> None:
    """Dividing by it would give an infinity, which is no decision."""
    nothing, something = sample(np.zeros(60), n_tasks=20), sample(np.ones(60), n_tasks=20)
    for arms in ((nothing, something), (something, nothing)):
        with pytest.raises(NotEnoughEvidence, match="zero"):
            ratio_of_quantiles(*arms, level=LEVEL)


@pytest.mark.parametrize("level", [0.5, 1.0, -1.0])
def test_a_level_outside_its_range_is_refused(level: float) -> None:
    """A level of 1 has no finite limit; one below a half would swap them."""
    arms = sample_pair(np.random.default_rng(0), n_tasks=8, repeats=5)
    with pytest.raises(ValueError, match="it must be in"):
        ratio_of_quantiles(*arms, level=level)


@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_a_value_that_is_no_cost_is_refused(value: float) -> None:
    """One infinity would poison every mean of its arm without a word."""
    with pytest.raises(ValueError, match="a value is"):
        sample([1.0, value], n_tasks=1)


def test_a_million_runs_are_compared() -> None:
    """A year of nightlies must be comparable: no step may be quadratic (it would not end)."""
    arms = sample_pair(np.random.default_rng(0), n_tasks=50, repeats=10_000, factor=1.1)
    found = ratio_of_quantiles(*arms, level=LEVEL)
    assert found.lower < 1.1 < found.upper
    assert found.upper / found.lower < 1.02
    assert cells(50, 10_000).size == arms[0].values.size


def test_fifty_nine_runs_are_needed_before_their_maximum_bounds_the_p95() -> None:
    """The order statistics behind every claim on a tail: 1 - .95^59 = .9515."""
    assert pytest.approx(0.9515, abs=5e-5) == 1 - 0.95**59
    assert 1 - 0.95**58 < 0.95
