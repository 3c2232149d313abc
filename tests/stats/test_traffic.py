"""p95 and success when the golden tasks are a random sample of the traffic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import NotEnoughEvidence
from assay.stats.quantiles import ratio_of_quantiles as on_these_tasks
from assay.stats.samples import Sample
from assay.stats.traffic import drop_of_shares, ratio_of_quantiles
from tests.fakes.samples import responding_differently, sample, sample_pair

LEVEL = 0.95
SIMULATIONS = 400
seeds = st.integers(0, 2**32 - 1)


def pair(seed: int, *, n_tasks: int = 20, repeats: int = 10, spread: float = 0.0) -> list[Sample]:
    """Two arms on the same golden tasks; `spread` is how differently tasks respond."""
    rng = np.random.default_rng(seed)
    base, cand = sample_pair(rng, n_tasks=n_tasks, repeats=repeats)
    return [base, responding_differently(cand, rng, spread=spread)]


def test_identical_prompts_are_rarely_beyond_a_limit() -> None:
    """A claim about traffic must hold its level, too: 5 % a side, Monte Carlo error 1 %."""
    found = [ratio_of_quantiles(*pair(seed), level=LEVEL) for seed in range(SIMULATIONS)]
    assert sum(each.lower > 1 for each in found) / SIMULATIONS < 0.07
    assert sum(each.upper < 1 for each in found) / SIMULATIONS < 0.07


def test_tasks_that_respond_differently_widen_the_limits() -> None:
    """With other golden tasks the p95 would have moved otherwise: that is error here."""
    same = [on_these_tasks(*pair(seed, spread=0.3), level=LEVEL) for seed in range(40)]
    other = [ratio_of_quantiles(*pair(seed, spread=0.3), level=LEVEL) for seed in range(40)]
    width = [np.mean([np.log(each.upper / each.lower) for each in some]) for some in (same, other)]
    assert width[1] > 1.2 * width[0]


@given(seeds)
def test_a_constant_factor_moves_the_ratio_by_it(seed: int) -> None:
    """Tokens counted in thousands are the same tokens."""
    base, cand = pair(seed, n_tasks=6, repeats=5)
    once = ratio_of_quantiles(base, cand, level=LEVEL)
    dearer = Sample(cand.values * 3, cand.tasks, n_tasks=cand.n_tasks)
    thrice = ratio_of_quantiles(base, dearer, level=LEVEL)
    assert thrice.estimate == pytest.approx(3 * once.estimate)
    assert (thrice.lower, thrice.upper) == pytest.approx((3 * once.lower, 3 * once.upper), rel=1e-6)


@given(seeds)
def test_the_order_of_runs_changes_nothing(seed: int) -> None:
    """A log has no order that means anything."""
    base, cand = pair(seed, n_tasks=6, repeats=5)
    order = np.random.default_rng(seed).permutation(cand.values.size)
    shuffled = Sample(cand.values[order], cand.tasks[order], n_tasks=cand.n_tasks)
    once, again = (ratio_of_quantiles(base, each, level=LEVEL) for each in (cand, shuffled))
    assert again == once


def test_swapping_the_arms_mirrors_the_ratio() -> None:
    """How much dearer b is than a is how much cheaper a is than b (to the grid's last digits)."""
    base, cand = pair(3, spread=0.2)
    there, back = (
        ratio_of_quantiles(base, cand, level=LEVEL),
        ratio_of_quantiles(cand, base, level=LEVEL),
    )
    assert back.estimate == pytest.approx(1 / there.estimate)
    assert back.upper == pytest.approx(1 / there.lower, rel=0.02)
    assert back.lower == pytest.approx(1 / there.upper, rel=0.02)


def test_a_copy_of_an_arm_is_no_different_from_it() -> None:
    """The same runs twice are perfectly coupled: what tasks do to both cancels."""
    base, _ = pair(5)
    found = ratio_of_quantiles(base, base, level=LEVEL)
    assert found.estimate == 1.0
    assert found.lower == pytest.approx(1.0, abs=1e-3)
    assert found.upper == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("n_tasks", "repeats"), [(1, 40), (20, 2), (3, 4)], ids=["one task", "two repeats", "12 runs"]
)
def test_too_little_is_not_enough(n_tasks: int, repeats: int) -> None:
    """No limits are better than limits that mean nothing."""
    few = sample(np.arange(1.0, 1 + n_tasks * repeats), n_tasks=n_tasks)
    with pytest.raises(NotEnoughEvidence):
        ratio_of_quantiles(few, few, level=LEVEL)


def test_what_no_golden_task_showed_is_possible() -> None:
    """Twenty tasks that never failed leave 14 % of traffic open; ten points take 29."""
    uppers = [drop_of_shares([1.0] * n, [1.0] * n, level=LEVEL).upper for n in (20, 28, 29)]
    assert uppers == pytest.approx([0.139, 0.101, 0.098], abs=1e-3)


def test_a_drop_over_traffic_is_paired_by_task() -> None:
    """That tasks differ in difficulty is no error: it is the same in both arms."""
    hard = np.linspace(0.0, 1.0, 60)
    found = drop_of_shares(hard, np.maximum(hard - 0.02, 0.0), level=LEVEL)
    assert found.estimate == pytest.approx(0.02, abs=0.002)
    assert found.upper < 0.07


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30))
def test_swapping_the_arms_mirrors_the_drop(shares: list[tuple[float, float]]) -> None:
    """A drop of one is a rise of the other."""
    base, cand = (list(each) for each in zip(*shares, strict=True))
    there, back = drop_of_shares(base, cand, level=LEVEL), drop_of_shares(cand, base, level=LEVEL)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))


def test_shares_of_other_tasks_are_refused() -> None:
    """A pair of other lengths is a mistake of the caller's."""
    with pytest.raises(ValueError, match="alike"):
        drop_of_shares([1.0, 1.0], [1.0], level=LEVEL)
