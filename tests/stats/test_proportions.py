"""Shares of runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.errors import NotEnoughEvidence
from assay.stats.proportions import (
    fisher_more,
    is_significantly_more,
    newcombe,
    weighing_tasks_alike,
    wilson,
)

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_gives_the_published_values() -> None:
    """Newcombe (1998), 81 of 263."""
    found = wilson(81, 263, level=0.975)
    assert (found.lower, found.upper) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(
    ("counted", "limits"),
    [((56, 70, 48, 80), (0.0524, 0.3339)), ((10, 10, 0, 10), (0.6075, 1.0))],
)
def test_newcombe_gives_the_published_values(
    counted: tuple[int, int, int, int], limits: tuple[float, float]
) -> None:
    """Newcombe (1998), method 10."""
    found = newcombe(*counted, level=0.975)
    assert (found.lower, found.upper) == pytest.approx(limits, abs=5e-5)


@pytest.mark.parametrize(("runs", "drop"), [(30, 0.083), (100, 0.026), (200, 0.013)])
def test_the_provable_drop_without_a_failure_is_known(runs: int, drop: float) -> None:
    """It says how many runs a margin needs before a single one is made."""
    assert newcombe(runs, runs, runs, runs, level=0.95).upper == pytest.approx(drop, abs=6e-4)


@given(counts, counts)
def test_swapping_the_arms_mirrors_the_difference(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    """Otherwise it would matter which prompt is called the candidate."""
    there, back = newcombe(*one, *other, level=0.95), newcombe(*other, *one, level=0.95)
    assert (-back.upper, -back.lower) == pytest.approx((there.lower, there.upper))
    assert -1 - 1e-12 <= there.lower <= there.estimate <= there.upper <= 1 + 1e-12


@given(counts, counts)
def test_fisher_agrees_with_scipy(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Ours avoids an import of three seconds, and nothing else."""
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    assert fisher_more(*one, *other) == pytest.approx(expected, rel=1e-9)


def test_fisher_copes_with_a_million_runs() -> None:
    """A year of nightlies pools as many; factorials overflow long before."""
    expected = stats.hypergeom.sf(5199, 1_000_000, 10_200, 500_000)
    assert fisher_more(5_200, 500_000, 5_000, 500_000) == pytest.approx(expected, rel=1e-4)


def test_a_p_value_of_exactly_alpha_counts() -> None:
    """3 of 3 against 0 of 3 is 1/20: whether that rejects must not hang on a last digit."""
    assert is_significantly_more(3, 3, 0, 3, alpha=0.05)
    assert not is_significantly_more(3, 3, 0, 3, alpha=0.049)
    assert not is_significantly_more(0, 3, 3, 3, alpha=0.5)


def test_no_runs_are_not_a_share_of_zero() -> None:
    """No data is an outcome of its own."""
    with pytest.raises(NotEnoughEvidence, match="no runs"):
        newcombe(0, 0, 1, 2, level=0.95)


@pytest.mark.parametrize("successes", [-1, 4])
def test_impossible_counts_are_refused(successes: int) -> None:
    """They come from a bug, and would give a plausible interval."""
    with pytest.raises(ValueError, match="no proportion"):
        wilson(successes, 3, level=0.95)
    with pytest.raises(ValueError, match="between 0 and the runs"):
        fisher_more(successes, 3, 0, 3)


def test_golden_tasks_weigh_the_same_however_many_runs_they_have() -> None:
    """Pooled, an arm with more runs of the hard task would have failed more often."""
    successes, runs = weighing_tasks_alike(np.array([10, 4]), np.array([20, 4]))
    assert successes / runs == pytest.approx(0.75)
    assert runs == pytest.approx(4 / (1 / 20 + 1 / 4))
    assert weighing_tasks_alike(np.array([7, 9]), np.array([10, 10])) == pytest.approx((16, 20))
