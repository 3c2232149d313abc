"""The ratio of two arms' p95, in closed form and without random numbers.

Each arm's estimator of the quantile has a distribution that follows from how sure we are,
at each observed value, that the quantile lies below it. The ratio's distribution is the
convolution of the two on logs.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from assay.errors import NotEnoughEvidence
from assay.stats.interval import Interval
from assay.stats.samples import Floats, Ints, Sample
from assay.stats.student import exp

MIN_REPEATS = 3
_NEGLIGIBLE = 1e-12
_ROUNDING = 1e-9
_BISECTIONS = 60


class QuantileDistribution(NamedTuple):
    """The distribution of one arm's quantile estimator."""

    values: Floats
    """Distinct observed values, increasing, shape (k,)."""
    below: Floats
    """Probability that the quantile is at most each value, shape (k,)."""
    estimate: float
    """The smallest value with at least the share `quantile` of the runs at or below it."""


def quantile_distribution(sample: Sample, *, quantile: float) -> QuantileDistribution:
    """How sure the runs make us that a quantile lies at or below each value.

    Golden tasks weigh the same, however many runs they have; tasks are fixed, repeats random.

    Args:
        sample: Runs of one arm.
        quantile: In (0, 1).

    Raises:
        ValueError: `quantile` is outside its range.
        NotEnoughEvidence: A task has fewer than three runs, or there are so few runs in all
            that the quantile is simply the largest of them.
    """
    sample.require_repeats(MIN_REPEATS)
    return distribution_of_shares(
        sample,
        quantile=quantile,
        growth=_spread,
        variance=lambda spreads, _: spreads / sample.n_tasks**2,
        below=ndtr,
    )


def distribution_of_shares(
    sample: Sample,
    *,
    quantile: float,
    growth: Callable[[Floats | Ints, Floats], Floats],
    variance: Callable[[Floats, Floats], Floats],
    below: Callable[[Floats], Floats],
) -> QuantileDistribution:
    """The distribution of a quantile from how sure we are of the share of runs below a value.

    Args:
        sample: Runs of one arm, at least one of each task.
        quantile: In (0, 1).
        growth: What a task adds to the sum that `variance` takes, by the rank of its last
            value below and its number of runs.
        variance: Of the share, by that sum and the share.
        below: Probability that the quantile is below, by the share's distance from it in
            standard errors.

    Raises:
        ValueError: `quantile` is outside its range.
        NotEnoughEvidence: There are so few runs that the quantile is the largest of them.
    """
    _require_runs_above(sample, quantile)
    values, tasks, ranks = sample.in_task_order
    repeats = sample.repeats[tasks].astype(np.float64)
    order = sample.value_order
    share = np.cumsum((1.0 / (sample.n_tasks * repeats))[order])
    sums = np.cumsum((growth(ranks, repeats) - growth(ranks - 1, repeats))[order])
    distinct, last = _last_of_ties(values[order])
    share = share[last]
    squared_error = np.maximum(variance(sums[last], share), 0.0)
    known = squared_error > _NEGLIGIBLE
    sure = np.where(share >= quantile - _ROUNDING, 1.0, 0.0)
    z = (share - quantile) / np.sqrt(np.where(known, squared_error, 1.0))
    found = np.maximum.accumulate(np.where(known, below(z), sure))
    found[-1] = 1.0
    estimate = float(distinct[np.searchsorted(share, quantile - _ROUNDING)])
    return QuantileDistribution(distinct, found, estimate)


def quantile_estimate(sample: Sample, *, quantile: float) -> float:
    """The quantile with golden tasks weighing the same, however few runs there are.

    Raises:
        NotEnoughEvidence: A task has no run.
    """
    sample.require_repeats(1)
    values, tasks, _ = sample.in_task_order
    order = sample.value_order
    share = np.cumsum(1.0 / (sample.n_tasks * sample.repeats[tasks[order]]))
    return float(values[order][np.searchsorted(share, quantile - _ROUNDING)])


def ratio_of_quantiles(
    baseline: Sample, candidate: Sample, *, quantile: float = 0.95, level: float
) -> Interval:
    """The candidate's quantile over the baseline's, on these golden tasks.

    Args:
        baseline: Runs with values >= 0.
        candidate: The same tasks, not necessarily as many runs.
        quantile: In (0, 1).
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: `quantile` or `level` is outside its range.
        NotEnoughEvidence: As `quantile_distribution`, or a quantile is zero.

    Source:
        Closed form of a stratified bootstrap's quantile distribution; docs/statistics.md.
    """
    arms = (quantile_distribution(arm, quantile=quantile) for arm in (baseline, candidate))
    return ratio_of_distributions(*arms, level=level)


def ratio_of_distributions(
    baseline: QuantileDistribution, candidate: QuantileDistribution, *, level: float
) -> Interval:
    """The ratio of two arms' quantiles from their distributions.

    Where the limits meet (no repeat differed around the quantile) the interval is labelled
    as one without variance: it is the exact ratio of these runs, not a sure one.

    Raises:
        NotEnoughEvidence: A quantile is zero.
    """
    if min(baseline.estimate, candidate.estimate) <= 0:
        raise NotEnoughEvidence("a quantile of zero has no ratio")
    estimate = candidate.estimate / baseline.estimate
    lower, upper = (_log_ratio_limit(baseline, candidate, share) for share in (1 - level, level))
    if upper - lower <= _ROUNDING:
        return Interval(estimate, estimate, estimate, level, no_variance=True)
    return Interval(estimate, exp(lower), exp(upper), level)


def _log_ratio_limit(
    baseline: QuantileDistribution, candidate: QuantileDistribution, share: float
) -> float:
    """The log ratio that the ratio's distribution puts `share` below."""
    mass = np.diff(baseline.below, prepend=0.0)
    heavy = mass > _NEGLIGIBLE
    mass, base_logs = mass[heavy], logs(baseline.values[heavy])
    cand_logs = logs(candidate.values)
    below = np.concatenate(([0.0], candidate.below))
    low, high = cand_logs[0] - base_logs[-1] - 1.0, cand_logs[-1] - base_logs[0] + 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        reached = mass @ below[np.searchsorted(cand_logs, base_logs + middle, side="right")]
        low, high = (low, middle) if reached >= share else (middle, high)
    return float(high)


def _require_runs_above(sample: Sample, quantile: float) -> None:
    """Below 1 / (1 - quantile) runs no run lies above it, and the limits err 6-18 %."""
    if not 0 < quantile < 1:
        raise ValueError(f"quantile is {quantile}; it must be in (0, 1)")
    needed = math.ceil(1 / (1 - quantile) - _ROUNDING)
    if sample.values.size < needed:
        raise NotEnoughEvidence(
            f"there are {sample.values.size} runs; a p{100 * quantile:g} needs {needed} or more"
        )


def _spread(rank: Floats | Ints, repeats: Floats) -> Floats:
    """Variance of the share of one task's runs at or below its `rank`-th value."""
    share = rank / repeats
    return share * (1 - share) / (repeats - 1)


def _last_of_ties(values: Floats) -> tuple[Floats, Ints]:
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    return values[last], last


def logs(values: Floats) -> Floats:
    """Logs of values >= 0, without minus infinity."""
    # A run of nothing at all (it failed at once) is far below any quantile.
    return np.log(np.maximum(values, 1e-9))
