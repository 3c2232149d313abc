"""Limits that hold at every number of runs at once: for a canary that is watched as it goes.

Looking again and again with an ordinary interval finds a difference that is not there, sooner
or later. A confidence sequence is below the truth at all times together, with its confidence:
one may look after every run, and stop at any. Lower limits say that a canary is worse, upper
limits that it is not.

Each run counts once, in the order in which the runs ended; t is the number of canary runs. The
limits at t hang on the runs up to the t-th canary run alone, so nobody's looking changes them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.stats.samples import Floats

FIRST_LOOK = 20
"""Canary runs, and baseline runs, before which nothing is claimed: the limits are asymptotic."""
TUNED_AT = 200.0
"""Canary runs at which the limits are narrowest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LowerLimits:
    """How much more the canary uses, after each of its runs; NaN where nothing can be said."""

    estimate: Floats
    """Shape (n_canary,)."""
    lower: Floats
    """With confidence 1 - alpha, all of them together are below the truth; shape (n_canary,)."""

    def first_above(self, margin: float) -> int | None:
        """Canary runs after which the truth is surely above `margin`; None if it never is."""
        above = np.flatnonzero(self.lower > margin)
        return int(above[0]) + 1 if above.size else None


def tuned_rho2(alpha: float, *, at: float = TUNED_AT) -> float:
    """The rho^2 with which one-sided limits are about narrowest after `at` runs.

    Source:
        Howard et al. (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences,
        section 3.5; their rho is 1 / rho^2.

    >>> round(1 / tuned_rho2(0.025, at=100), 5)
    12.60056
    """
    far = -2 * np.log(2 * alpha)
    return float((far + np.log1p(far)) / at)


def widths(n: ArrayLike, *, alpha: float) -> Floats:
    """Standard errors between the estimate and its one-sided limit after `n` runs.

    Args:
        n: Canary runs, > 0.
        alpha: Error over all times together, in (0, 0.5).

    Source:
        Waudby-Smith et al. (2024), Time-uniform central limit theory and asymptotic confidence
        sequences, the one-sided form.
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}; it must be in (0, 0.5)")
    x = np.asarray(n, dtype=np.float64) * tuned_rho2(alpha)
    return np.asarray(np.sqrt(2 * (x + 1) / x * np.log1p(np.sqrt(x + 1) / (2 * alpha))))


def log_ratio_of_means(
    values: ArrayLike, is_canary: NDArray[np.bool_], *, alpha: float
) -> LowerLimits:
    """The log of the canary's mean over the baseline's, unpaired, by the delta method.

    Where the baseline has used none there is no ratio, and nothing is said.

    Args:
        values: >= 0, in the order in which the runs ended, shape (n_runs,).
        is_canary: Whose run each is, shape (n_runs,).
        alpha: Error over all times together, in (0, 0.5).
    """
    baseline, canary = _moments(values, is_canary)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.log(canary.mean / baseline.mean)
        squared = canary.squared_error / canary.mean**2 + baseline.squared_error / baseline.mean**2
    return _limits(estimate, squared, baseline, canary, alpha=alpha)


def difference_of_means(
    values: ArrayLike, is_canary: NDArray[np.bool_], *, alpha: float
) -> LowerLimits:
    """The canary's mean less the baseline's; of zeros and ones, the difference of two shares.

    Arguments as `log_ratio_of_means`.
    """
    baseline, canary = _moments(values, is_canary)
    estimate = canary.mean - baseline.mean
    squared = canary.squared_error + baseline.squared_error
    return _limits(estimate, squared, baseline, canary, alpha=alpha)


def upper_log_ratio(values: ArrayLike, is_canary: NDArray[np.bool_], *, alpha: float) -> Floats:
    """What the log of the ratio of the means is surely below, at every canary run together.

    Arguments as `log_ratio_of_means`; shape (n_canary,), NaN where nothing can be said.
    """
    limits = log_ratio_of_means(values, is_canary, alpha=alpha)
    return 2 * limits.estimate - limits.lower


def upper_difference_of_shares(
    values: ArrayLike, is_canary: NDArray[np.bool_], *, alpha: float
) -> Floats:
    """What the canary's share less the baseline's is surely below, at every canary run together.

    Newcombe's hybrid of two score limits, with the sequence's width in the place of z: where
    neither arm has shown an event yet, an ordinary standard error is 0, and would be certain.

    Arguments as `log_ratio_of_means`, with zeros and ones; shape (n_canary,).
    """
    baseline, canary = _moments(values, is_canary)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = widths(canary.n, alpha=alpha)
        above = _score_limit(canary, z) - canary.mean
        below = baseline.mean - _score_limit(baseline, -z)
        upper = canary.mean - baseline.mean + np.hypot(above, below)
    return np.where(_is_early(baseline, canary), np.nan, upper)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Of one arm's runs up to each canary run."""

    n: Floats
    mean: Floats
    squared_error: Floats
    """Of the mean."""


def _moments(values: ArrayLike, is_canary: NDArray[np.bool_]) -> tuple[_Moments, _Moments]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != is_canary.shape or numbers.ndim != 1:
        raise ValueError(f"shapes {numbers.shape} and {is_canary.shape} must be alike")
    if not np.isfinite(numbers).all():
        raise ValueError("a value is not finite")
    at = np.flatnonzero(is_canary)
    return _up_to(at, numbers, ~is_canary), _up_to(at, numbers, is_canary)


def _up_to(at: NDArray[np.int64], values: Floats, own: NDArray[np.bool_]) -> _Moments:
    # Around the first value: sums of squares of large numbers would lose what varies.
    first = values[own][0] if own.any() else 0.0
    centred = np.where(own, values - first, 0.0)
    n = np.cumsum(own)[at].astype(np.float64)
    total, squares = np.cumsum(centred)[at], np.cumsum(centred**2)[at]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        variance = np.maximum(squares / n - mean**2, 0.0) * n / (n - 1)
        return _Moments(n, mean + first, variance / n)


def _limits(
    estimate: Floats, squared: Floats, baseline: _Moments, canary: _Moments, *, alpha: float
) -> LowerLimits:
    unsaid = _is_early(baseline, canary) | ~np.isfinite(estimate) | ~np.isfinite(squared)
    with np.errstate(invalid="ignore"):
        lower = estimate - np.sqrt(squared) * widths(canary.n, alpha=alpha)
    return LowerLimits(
        estimate=np.where(unsaid, np.nan, estimate), lower=np.where(unsaid, np.nan, lower)
    )


def _is_early(baseline: _Moments, canary: _Moments) -> NDArray[np.bool_]:
    return (canary.n < FIRST_LOOK) | (baseline.n < FIRST_LOOK)


def _score_limit(arm: _Moments, z: Floats) -> Floats:
    """Wilson's limit of a share, `z` standard errors above it, or below."""
    n, share = arm.n, arm.mean
    half = z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return np.asarray((share + z * z / (2 * n) + half) / (1 + z * z / n))
