"""The dearest runs of each golden task: what a rare retry storm does to the bill.

Not the pooled p95: that one is about all runs together and mostly about the dearest tasks.
This is about the typical golden task, and needs far fewer runs.
"""

from typing import NamedTuple

import numpy as np

from assay.errors import NotEnoughEvidence
from assay.stats.interaction import repeat_share
from assay.stats.interval import Interval
from assay.stats.samples import Floats, Ints, Sample
from assay.stats.student import exp, half_width

TAIL_SHARE = 0.2


class _Tails(NamedTuple):
    means: Floats
    """Mean of the top fifth of each task's runs, shape (n_tasks,)."""
    kept: Ints
    """How many runs that is, at least one."""


def tail_ratio(baseline: Sample, candidate: Sample, *, level: float) -> Interval:
    """How much dearer the dearest fifth of each golden task's runs became, typically.

    Per task the log of (mean of the top ceil(R / 5) of the candidate's runs / same of the
    baseline's), then a one-sample t over tasks. It generalises to tasks like these.

    Args:
        baseline: Runs with values >= 0.
        candidate: Runs of the same tasks, not necessarily as many: tails of other depths do
            not compare, so that the arm with more runs of a task counts in blocks of as many
            as the other has, in the order of the runs.
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: `level` is outside its range, or the numbers of tasks differ.
        NotEnoughEvidence: Fewer than two tasks, a task without runs, or a tail of zero.

    Source:
        docs/statistics.md.
    """
    logs = _log_ratios(baseline, candidate)
    half = half_width(logs, level=level)
    middle = float(logs.mean())
    return Interval(exp(middle), exp(middle - half), exp(middle + half), level, half == 0.0)


def tail_level(sample: Sample) -> float:
    """The typical tail of a golden task: their geometric mean, so that levels divide to the ratio.

    Raises:
        NotEnoughEvidence: A task without runs, or a tail of zero.
    """
    return exp(float(np.log(_positive_tails(sample)).mean()))


def share_of_repeats(baseline: Sample, candidate: Sample) -> float:
    """Share of the tail ratio's squared error that more repeats would shrink, in [0, 1].

    Raises:
        NotEnoughEvidence: As `tail_ratio`.

    Source:
        A mean of the top share p has the influence function of an expected shortfall:
        its variance is Var(max(x, q)) / (p^2 R), q the largest value that does not count.
    """
    logs = _log_ratios(baseline, candidate)
    whole = float(logs.var(ddof=1)) / logs.size
    within = sum(_squared_log_error(arm) for arm in (baseline, candidate)) / logs.size**2
    return repeat_share(baseline, candidate, whole=whole, within=within)


def _squared_log_error(sample: Sample) -> float:
    """Sum over golden tasks of the squared error of the log of each one's tail."""
    means, kept = _tails(sample)
    values, tasks, ranks = sample.in_task_order
    is_threshold = ranks == np.maximum(1, sample.repeats - kept)[tasks]
    thresholds = values[is_threshold]
    capped = Sample(np.maximum(values, thresholds[tasks]), tasks, n_tasks=sample.n_tasks)
    depth = kept / sample.repeats
    errors = capped.task_variances() / (sample.repeats * (depth * means) ** 2)
    return float(errors.sum())


def _log_ratios(baseline: Sample, candidate: Sample) -> Floats:
    """Shape (n_tasks,), at least two."""
    if baseline.n_tasks != candidate.n_tasks:
        raise ValueError(f"{baseline.n_tasks} and {candidate.n_tasks} tasks must be alike")
    runs = np.minimum(baseline.repeats, candidate.repeats)
    logs = _log_tails(candidate, runs=runs) - _log_tails(baseline, runs=runs)
    if logs.size < 2:
        raise NotEnoughEvidence("there is 1 golden task; two or more are needed")
    return logs


def _log_tails(sample: Sample, *, runs: Ints) -> Floats:
    """Log of each golden task's tail of so many runs, on average over blocks of that many."""
    if (runs == sample.repeats).all():
        return np.log(_positive_tails(sample))
    sample.require_repeats(1)
    blocks = sample.repeats // np.maximum(1, runs)
    first = np.cumsum(blocks) - blocks
    order = np.argsort(sample.tasks, kind="stable")
    tasks = sample.tasks[order]
    number = np.arange(tasks.size) - (np.cumsum(sample.repeats) - sample.repeats)[tasks]
    block = number // runs[tasks]
    whole = block < blocks[tasks]
    cut = Sample(
        sample.values[order][whole], (first[tasks] + block)[whole], n_tasks=int(blocks.sum())
    )
    owners = np.repeat(np.arange(sample.n_tasks), blocks)
    return np.bincount(owners, weights=np.log(_positive_tails(cut))) / blocks


def _positive_tails(sample: Sample) -> Floats:
    tails = _tails(sample).means
    if tails.min() <= 0:
        raise NotEnoughEvidence("the tail of a golden task is zero, so there is no ratio")
    return tails


def _tails(sample: Sample) -> _Tails:
    sample.require_repeats(1)
    values, tasks, ranks = sample.in_task_order
    kept = np.ceil(TAIL_SHARE * sample.repeats).astype(np.int64)
    top = ranks > (sample.repeats - kept)[tasks]
    sums = np.bincount(tasks[top], weights=values[top], minlength=sample.n_tasks)
    return _Tails(sums / kept, kept)
