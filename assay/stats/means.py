"""Means and tails paired by golden task: does the candidate use more on tasks like these?"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from assay.errors import NotEnoughEvidence
from assay.stats.interval import Interval
from assay.stats.samples import Floats, Sample

TAIL_SHARE = 0.2


def paired_ratio_of_means(baseline: ArrayLike, candidate: ArrayLike, *, level: float) -> Interval:
    """Interval of the candidate's mean over the baseline's, paired by golden task.

    Args:
        baseline: Mean per golden task, shape (n_tasks,), >= 0, > 0 on average.
        candidate: The same tasks in the same order, shape (n_tasks,), > 0 on average.
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: The shapes differ, or `level` is outside its range.
        NotEnoughEvidence: Fewer than two tasks, or a mean of zero.

    Source:
        Deng et al. (2018), Applying the Delta Method in Metric Analytics.

    >>> paired_ratio_of_means([1.0, 2.0, 3.0], [2.0, 4.0, 6.5], level=0.95).estimate
    2.0833333333333335
    """
    base, cand = _paired(baseline, candidate)
    if base.mean() <= 0 or cand.mean() <= 0:
        raise NotEnoughEvidence("a mean is zero, so there is no ratio")
    ratio = cand.mean() / base.mean()
    influence = cand / cand.mean() - base / base.mean()
    half = _half_width(influence, level)
    return Interval(
        float(ratio), float(ratio * np.exp(-half)), float(ratio * np.exp(half)), level, half == 0.0
    )


def paired_difference_of_means(
    baseline: ArrayLike, candidate: ArrayLike, *, level: float
) -> Interval:
    """Interval of the candidate's mean less the baseline's, paired by golden task.

    For a baseline mean of zero, where there is no ratio. Arguments and errors as
    `paired_ratio_of_means`.
    """
    base, cand = _paired(baseline, candidate)
    half = _half_width(cand - base, level)
    middle = float((cand - base).mean())
    return Interval(middle, middle - half, middle + half, level, half == 0.0)


def tail_ratio(baseline: Sample, candidate: Sample, *, level: float) -> Interval:
    """How much dearer the dearest fifth of each task's runs became, typically.

    Per task the log of (mean of the top fifth of the candidate's runs / same of the
    baseline's), then a one-sample t over tasks. It needs far fewer runs than the pooled
    p95, and is not the pooled p95.

    Raises:
        NotEnoughEvidence: Fewer than two tasks, a task without runs, or a tail of zero.
    """
    tails = [_task_tails(arm) for arm in (baseline, candidate)]
    if min(tail.min() for tail in tails) <= 0:
        raise NotEnoughEvidence("the tail of a golden task is zero, so there is no ratio")
    logs = np.log(tails[1] / tails[0])
    if logs.size < 2:
        raise NotEnoughEvidence("there is one golden task; two or more are needed")
    half = _half_width(logs, level)
    middle = float(logs.mean())
    estimate, lower, upper = (float(np.exp(middle + side * half)) for side in (0, -1, 1))
    return Interval(estimate, lower, upper, level, half == 0.0)


def _task_tails(sample: Sample) -> Floats:
    """Mean of the top fifth of each task's runs (at least one), shape (n_tasks,)."""
    sample.require_repeats(1)
    values, tasks, ranks = sample.in_task_order()
    kept = np.ceil(TAIL_SHARE * sample.repeats)
    top = ranks > (sample.repeats - kept)[tasks]
    sums = np.bincount(tasks[top], weights=values[top], minlength=sample.n_tasks)
    return np.asarray(sums / kept, dtype=np.float64)


def _half_width(per_task: Floats, level: float) -> float:
    n = per_task.size
    if not 0.5 < level < 1:
        raise ValueError(f"level is {level}; it must be in (0.5, 1)")
    spread = per_task.std(ddof=1)
    scale = max(1.0, float(np.abs(per_task).max()))
    if spread <= 1e-12 * scale:
        return 0.0
    return float(stdtrit(n - 1, level) * spread / np.sqrt(n))


def _paired(baseline: ArrayLike, candidate: ArrayLike) -> tuple[Floats, Floats]:
    base = np.asarray(baseline, dtype=np.float64)
    cand = np.asarray(candidate, dtype=np.float64)
    if base.shape != cand.shape or base.ndim != 1:
        raise ValueError(f"shapes {base.shape} and {cand.shape} must be alike")
    if base.size < 2:
        raise NotEnoughEvidence(f"there is {base.size} golden task; two or more are needed")
    if not (np.isfinite(base).all() and np.isfinite(cand).all()):
        raise ValueError("a mean is not finite")
    return base, cand
