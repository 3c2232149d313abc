"""Confidence sequences: the limits may be looked at after every run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_ndtr, ndtr

from assay.stats.proportions import newcombe
from assay.stats.sequential import (
    FIRST_LOOK,
    difference_of_means,
    log_ratio_of_means,
    tuned_rho2,
    upper_difference_of_shares,
    upper_log_ratio,
    widths,
)

ALPHA = 0.05
SEQUENCES = (log_ratio_of_means, difference_of_means)


def one_sided_mixture(s: float, v: float, *, rho: float) -> float:
    """Log of the one-sided normal mixture of Howard et al. (2021), as their package has it."""
    shape = 0.5 * math.log(4 * rho / (v + rho)) + s**2 / (2 * (v + rho))
    return shape + float(log_ndtr(s / math.sqrt(v + rho)))


def two_sided_mixture(s: float, v: float, *, rho: float) -> float:
    return 0.5 * math.log(rho / (v + rho)) + s**2 / (2 * (v + rho))


def test_the_tuning_is_that_of_the_published_package() -> None:
    """Its own test values: best rho, both mixtures at (10, 100), the two-sided bound."""
    rho = 1 / tuned_rho2(0.025, at=100)
    assert rho == pytest.approx(12.60056, abs=1e-5)
    assert two_sided_mixture(10, 100, rho=rho) == pytest.approx(-0.6510052, abs=1e-7)
    assert two_sided_mixture(30.35209, 100, rho=rho) == pytest.approx(-math.log(ALPHA), abs=1e-6)
    one_sided = 1 / tuned_rho2(ALPHA, at=100)
    assert one_sided_mixture(10, 100, rho=one_sided) == pytest.approx(-0.06502391, abs=1e-8)


@given(st.integers(1, 100_000), st.floats(0.0005, 0.2))
def test_the_limit_lies_just_outside_of_the_exact_mixture(n: int, alpha: float) -> None:
    """The closed form may only err to the safe side of the boundary that it stands for."""
    s = float(widths(n, alpha=alpha)) * math.sqrt(n)
    evidence = one_sided_mixture(s, n, rho=1 / tuned_rho2(alpha))
    assert -math.log(alpha) <= evidence + 1e-9
    assert evidence < -math.log(alpha) + 0.6


def test_the_limit_is_narrowest_about_where_it_is_tuned() -> None:
    """Tuned at 200 runs, no other tuning may be much narrower there."""

    def width(rho2: float) -> float:
        x = 200 * rho2
        return math.sqrt(2 * (x + 1) / x * math.log1p(math.sqrt(x + 1) / (2 * ALPHA)))

    best = min(width(rho2) for rho2 in np.geomspace(1e-3, 1, 400))
    assert float(widths(200, alpha=ALPHA)) <= best * 1.005


@st.composite
def traffic(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(0, 400))
    return np.exp(rng.normal(8, 0.7, n)), rng.random(n) < draw(st.sampled_from([0.05, 0.3, 0.9]))


@pytest.mark.parametrize("sequence", SEQUENCES)
@given(traffic(), st.floats(0, 1))
def test_what_comes_later_changes_no_earlier_limit(sequence, runs, share) -> None:  # type: ignore[no-untyped-def]
    """An alarm hangs on the runs in their order, not on when somebody looked."""
    values, is_canary = runs
    cut = int(share * values.size)
    whole = sequence(values, is_canary, alpha=ALPHA)
    before = sequence(values[:cut], is_canary[:cut], alpha=ALPHA)
    n = before.lower.size
    np.testing.assert_allclose(before.lower, whole.lower[:n], rtol=1e-9)
    np.testing.assert_allclose(before.estimate, whole.estimate[:n], rtol=1e-9)


@given(traffic())
def test_the_running_sums_are_the_plain_formulas(runs: tuple[np.ndarray, np.ndarray]) -> None:
    """Recomputed from scratch at the last canary run, by the textbook."""
    values, is_canary = runs
    at = np.flatnonzero(is_canary)
    limits = log_ratio_of_means(values, is_canary, alpha=ALPHA)
    if not at.size:
        assert limits.lower.size == 0
        return
    c, b = (values[: at[-1] + 1][own[: at[-1] + 1]] for own in (is_canary, ~is_canary))
    if min(c.size, b.size) < FIRST_LOOK:
        assert np.isnan(limits.lower[-1])
        return
    error = math.sqrt(sum(x.var(ddof=1) / x.size / x.mean() ** 2 for x in (c, b)))
    middle = math.log(c.mean() / b.mean())
    assert limits.estimate[-1] == pytest.approx(middle)
    assert limits.lower[-1] == pytest.approx(
        middle - error * float(widths(c.size, alpha=ALPHA)), rel=1e-6, abs=1e-9
    )


def test_nothing_is_claimed_before_the_first_look_or_without_a_ratio() -> None:
    """Nineteen runs that are ten times dearer are no alarm yet; a mean of zero has no ratio."""
    is_canary = np.arange(2 * FIRST_LOOK) % 2 == 0
    values = np.where(is_canary, 1000.0, 100.0) + np.arange(is_canary.size) % 7
    limits = log_ratio_of_means(values, is_canary, alpha=ALPHA)
    assert np.isnan(limits.lower[: FIRST_LOOK - 1]).all()
    nothing = log_ratio_of_means(np.where(is_canary, 5.0, 0.0), is_canary, alpha=ALPHA)
    assert np.isnan(nothing.lower).all()
    assert nothing.first_above(0.0) is None


def test_an_alarm_is_told_with_the_runs_that_it_took() -> None:
    """The incident's calls, 4 -> 11, need hardly more than the first look."""
    rng = np.random.default_rng(1)
    is_canary = np.arange(2000) % 20 == 19
    calls = 1 + rng.poisson(np.where(is_canary, 10.0, 3.0))
    first = log_ratio_of_means(calls, is_canary, alpha=0.007).first_above(math.log(1.25))
    assert first is not None
    assert FIRST_LOOK <= first <= 30


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_looking_after_every_run_errs_as_seldom_as_promised(sequence) -> None:  # type: ignore[no-untyped-def]
    """At the margin itself, over 1,000 canary runs and as many looks: at most alpha."""
    rng = np.random.default_rng(7)
    errors = 0
    for _ in range(300):
        is_canary = rng.random(4000) < 0.25
        values = rng.gamma(4.0, 1.0, is_canary.size)
        errors += sequence(values, is_canary, alpha=ALPHA).first_above(0.0) is not None
    assert errors <= 300 * ALPHA + 3 * math.sqrt(300 * ALPHA)


def test_the_upper_limit_of_shares_is_newcombes_with_the_sequences_width() -> None:
    """At one number of runs it is the published interval at that width's level."""
    is_canary = np.arange(300) % 3 == 0
    values = (np.arange(300) % 7 == 0).astype(float)
    upper = upper_difference_of_shares(values, is_canary, alpha=ALPHA)
    at = np.flatnonzero(is_canary)[-1] + 1
    own, values = is_canary[:at], values[:at]
    level = float(ndtr(widths(own.sum(), alpha=ALPHA)))
    counts = (values[own].sum(), own.sum(), values[~own].sum(), (~own).sum())
    assert upper[-1] == pytest.approx(newcombe(*map(float, counts), level=level).upper)


def test_runs_without_an_event_prove_little() -> None:
    """Twenty runs without an error have an estimate of 0 and a standard error of 0."""
    is_canary = np.arange(800) % 20 == 0
    upper = upper_difference_of_shares(np.zeros(800), is_canary, alpha=ALPHA)
    assert np.isnan(upper[: FIRST_LOOK - 1]).all()
    assert upper[FIRST_LOOK - 1] > 0.3
    assert (np.diff(upper[FIRST_LOOK - 1 :]) < 0).all()


def at_the_margin(rng: np.random.Generator, of: str) -> float:
    """The lowest upper limit, less the margin, over 1,500 canary runs that are worse by it."""
    is_canary = rng.random(6000) < 0.25
    if of == "tokens":
        values = np.exp(rng.normal(8.3, 0.66, 6000)) * np.where(is_canary, 1.25, 1.0)
        upper = upper_log_ratio(values, is_canary, alpha=ALPHA) - math.log(1.25)
    else:
        often = np.where(is_canary, 0.07, 0.02)
        values = (rng.random(6000) < often).astype(float)
        upper = upper_difference_of_shares(values, is_canary, alpha=ALPHA) - 0.05
    return float(np.nanmin(upper[199:]))


@pytest.mark.parametrize("of", ["tokens", "errors"])
def test_a_canary_that_is_worse_by_the_margin_is_seldom_called_no_worse(of: str) -> None:
    """Looked at after every run from the 200th on, over 1,500 of them: at most alpha."""
    rng = np.random.default_rng(11)
    errors = sum(at_the_margin(rng, of) < 0 for _ in range(300))
    assert errors <= 300 * ALPHA + 3 * math.sqrt(300 * ALPHA)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0])
def test_an_impossible_error_is_refused(alpha: float) -> None:
    """A typo must not switch the alarm off silently."""
    with pytest.raises(ValueError, match="alpha"):
        widths(1, alpha=alpha)


def test_values_that_are_no_numbers_are_refused() -> None:
    """A NaN would silence every later limit."""
    with pytest.raises(ValueError, match="finite"):
        difference_of_means([1.0, math.nan], np.array([True, False]), alpha=ALPHA)
    with pytest.raises(ValueError, match="alike"):
        difference_of_means([1.0], np.array([True, False]), alpha=ALPHA)
