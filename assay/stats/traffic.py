"""The same figures when the golden tasks are a random sample of the traffic.

Elsewhere a p95 and a share of successes are about these golden tasks. Here the tasks are
resampled: what differs between tasks is error, too, and what no task showed is possible.
Both arms ran the same tasks, and what a task does to both cancels.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr

from assay.errors import NotEnoughEvidence
from assay.stats.interval import Interval
from assay.stats.quantiles import MIN_REPEATS, QuantileDistribution, distribution_of_shares, logs
from assay.stats.samples import Floats, Sample
from assay.stats.student import exp, half_width

_GRID = (np.arange(1_000) + 0.5) / 1_000
"""Probabilities over which the baseline's distribution is integrated."""
_BISECTIONS = 60
_ROUNDING = 1e-9
_NEAR_ONE = 1 - 1e-9


def ratio_of_quantiles(
    baseline: Sample, candidate: Sample, *, quantile: float = 0.95, level: float
) -> Interval:
    """The candidate's quantile over the baseline's, on traffic like these golden tasks.

    Each arm's estimator has a distribution from how the shares below a value vary between
    tasks (Student's, n - 1 degrees of freedom). The two are coupled by a Gaussian copula with
    the correlation of the tasks' shares at the estimates.

    Args:
        baseline: Runs with values >= 0.
        candidate: Runs of the same tasks.
        quantile: In (0, 1).
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: `level` is outside its range, or the numbers of tasks differ.
        NotEnoughEvidence: Fewer than two tasks, fewer than three runs of one, or a quantile
            of zero.

    Source:
        docs/statistics.md; measured by bench/calibration.py.
    """
    if baseline.n_tasks != candidate.n_tasks:
        raise ValueError(f"{baseline.n_tasks} and {candidate.n_tasks} tasks must be alike")
    arms = [_distribution(arm, quantile) for arm in (baseline, candidate)]
    if min(arm.estimate for arm in arms) <= 0:
        raise NotEnoughEvidence("a quantile of zero has no ratio")
    shares = [
        _shares_below(arm, found.estimate)
        for arm, found in zip((baseline, candidate), arms, strict=True)
    ]
    correlation = _correlation(*shares)
    estimate = arms[1].estimate / arms[0].estimate
    lower, upper = (_limit(arms[0], arms[1], correlation, share) for share in (1 - level, level))
    if upper - lower <= _ROUNDING:
        return Interval(estimate, estimate, estimate, level, no_variance=True)
    return Interval(estimate, exp(lower), exp(upper), level)


def drop_of_shares(baseline: ArrayLike, candidate: ArrayLike, *, level: float) -> Interval:
    """By how much a share fell, on traffic like these golden tasks, paired by task.

    The half width is Student's over tasks, and never less than 1 - (1 - level)^(1/n): so
    large a part of the traffic may behave as none of n golden tasks did.

    Args:
        baseline: Share of each golden task's runs, shape (n_tasks,), in [0, 1].
        candidate: The same tasks in the same order.
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: The shapes differ.
        NotEnoughEvidence: Fewer than two tasks.

    >>> round(drop_of_shares([1.0] * 29, [1.0] * 29, level=0.95).upper, 3)
    0.098
    """
    base, cand = (np.asarray(x, dtype=np.float64) for x in (baseline, candidate))
    if base.shape != cand.shape:
        raise ValueError(f"shapes {base.shape} and {cand.shape} must be alike")
    drops = base - cand
    unseen = 1 - (1 - level) ** (1 / max(1, drops.size))
    half = max(half_width(drops, level=level), unseen)
    drop = float(drops.mean())
    return Interval(drop, max(-1.0, drop - half), min(1.0, drop + half), level)


def _distribution(sample: Sample, quantile: float) -> QuantileDistribution:
    sample.require_repeats(MIN_REPEATS)
    n = sample.n_tasks
    if n < 2:
        raise NotEnoughEvidence(f"there is {n} golden task; two or more are needed")
    return distribution_of_shares(
        sample,
        quantile=quantile,
        growth=lambda rank, repeats: (rank / repeats) ** 2,
        variance=lambda squares, share: (squares / n - share**2) / (n - 1),
        below=lambda z: stdtr(n - 1, z),
    )


def _shares_below(sample: Sample, value: float) -> Floats:
    """Share of each task's runs at or below a value, shape (n_tasks,)."""
    counts = np.bincount(sample.tasks[sample.values <= value], minlength=sample.n_tasks)
    return np.asarray(counts / sample.repeats, dtype=np.float64)


def _correlation(baseline: Floats, candidate: Floats) -> float:
    """Of the tasks' shares; 0 where one does not vary."""
    if min(np.ptp(baseline), np.ptp(candidate)) == 0:
        return 0.0
    found = float(np.corrcoef(baseline, candidate)[0, 1])
    return max(-_NEAR_ONE, min(_NEAR_ONE, found))


def _limit(
    baseline: QuantileDistribution,
    candidate: QuantileDistribution,
    correlation: float,
    share: float,
) -> float:
    """The log ratio that the coupled distributions put `share` below."""
    places = np.minimum(np.searchsorted(baseline.below, _GRID), baseline.values.size - 1)
    base_logs, cand_logs = logs(baseline.values)[places], logs(candidate.values)
    scores = np.concatenate(([-np.inf], ndtri(candidate.below)))
    shift, spread = correlation * ndtri(_GRID), np.sqrt(1 - correlation**2)
    low, high = cand_logs[0] - base_logs[-1] - 1.0, cand_logs[-1] - base_logs[0] + 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        at = scores[np.searchsorted(cand_logs, base_logs + middle, side="right")]
        reached = float(ndtr((at - shift) / spread).mean())
        low, high = (low, middle) if reached >= share else (middle, high)
    return float(high)
