"""Means paired by golden task: does the candidate use more on tasks like these?"""

import numpy as np
from numpy.typing import ArrayLike

from assay.errors import NotEnoughEvidence
from assay.stats.interaction import repeat_share
from assay.stats.interval import Interval
from assay.stats.leverage import SharedError, shared_error
from assay.stats.samples import Floats, Sample
from assay.stats.student import exp, half_width


def paired_ratio_of_means(baseline: ArrayLike, candidate: ArrayLike, *, level: float) -> Interval:
    """Interval of the candidate's mean over the baseline's, paired by golden task.

    It generalises to tasks like these: golden tasks are a sample of them.

    Args:
        baseline: Mean per golden task, shape (n_tasks,), >= 0, > 0 on average.
        candidate: The same tasks in the same order, shape (n_tasks,), > 0 on average.
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: The shapes differ, a mean is not finite, or `level` is outside its range.
        NotEnoughEvidence: Fewer than two tasks that use any, or a mean of zero.

    Source:
        Deng et al. (2018), Applying the Delta Method in Metric Analytics; its error where
        golden tasks are of different sizes is `shared_error`.

    >>> paired_ratio_of_means([1.0, 2.0, 3.0], [2.0, 4.0, 6.5], level=0.95).estimate
    2.0833333333333335
    """
    base, cand = _paired(baseline, candidate)
    ratio = _mean(cand) / _mean(base)
    half = _error(base, cand).half_width(level=level)
    middle = float(np.log(ratio))
    limits = (ratio, ratio) if half == 0.0 else (exp(middle - half), exp(middle + half))
    return Interval(ratio, *limits, level, half == 0.0)


def paired_difference_of_means(
    baseline: ArrayLike, candidate: ArrayLike, *, level: float
) -> Interval:
    """Interval of the candidate's mean less the baseline's, paired by golden task.

    For a mean of zero, where there is no ratio. Arguments as `paired_ratio_of_means`.

    Raises:
        ValueError: The shapes differ, a mean is not finite, or `level` is outside its range.
        NotEnoughEvidence: Fewer than two tasks.

    >>> paired_difference_of_means([0.0, 0.0], [1.0, 1.0], level=0.95).estimate
    1.0
    """
    base, cand = _paired(baseline, candidate)
    half = half_width(cand - base, level=level)
    middle = float((cand - base).mean())
    return Interval(middle, middle - half, middle + half, level, half == 0.0)


def share_of_repeats(baseline: Sample, candidate: Sample) -> float:
    """Share of the paired ratio's squared error that more repeats would shrink, in [0, 1].

    Raises:
        NotEnoughEvidence: A task without runs, fewer than two tasks, or a mean of zero.
    """
    base, cand = _paired(baseline.task_means(), candidate.task_means())
    n = base.size
    whole = _error(base, cand).squared
    within = sum(
        float((arm.task_variances() / arm.repeats).sum()) / (n * _mean(means)) ** 2
        for arm, means in ((baseline, base), (candidate, cand))
    )
    return repeat_share(baseline, candidate, whole=whole, within=within)


def _error(base: Floats, cand: Floats) -> SharedError:
    """Of the log ratio of means; a golden task weighs what it is of both arms' means."""
    shares = base / _mean(base), cand / _mean(cand)
    return shared_error(shares[1] - shares[0], shares[0] + shares[1])


def _mean(values: Floats) -> float:
    mean = float(values.mean())
    if mean <= 0:
        raise NotEnoughEvidence("a mean of zero has no ratio")
    return mean


def _paired(baseline: ArrayLike, candidate: ArrayLike) -> tuple[Floats, Floats]:
    base = np.asarray(baseline, dtype=np.float64)
    cand = np.asarray(candidate, dtype=np.float64)
    if base.shape != cand.shape or base.ndim != 1:
        raise ValueError(f"shapes {base.shape} and {cand.shape} must be alike")
    if not (np.isfinite(base).all() and np.isfinite(cand).all()):
        raise ValueError("a mean is not finite")
    if base.size < 2:
        raise NotEnoughEvidence(f"there is {base.size} golden task; two or more are needed")
    return base, cand
