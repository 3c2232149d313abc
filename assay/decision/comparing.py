"""One gate at a time: the interval of what changed, held to its margin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from assay.decision.arms import Arm, Flags, TaskTraits
from assay.decision.gates import Gates
from assay.errors import NotEnoughEvidence
from assay.stats.interval import Interval
from assay.stats.means import paired_difference_of_means, paired_ratio_of_means, tail_ratio
from assay.stats.proportions import newcombe
from assay.stats.quantiles import quantile_distribution, ratio_of_quantiles
from assay.stats.samples import Ints, Sample

QUANTILE = 0.95
CUT_SHARE = 0.01
"""Above this share of budget-stopped or unmeasured runs a gate cannot pass."""
TOP_TASKS = 3


GATED = {
    "p95_tokens": ("total_tokens", "p95"),
    "tail_tokens": ("total_tokens", "tail"),
    "mean_tokens": ("total_tokens", "mean"),
    "mean_tool_calls": ("tool_calls", "mean"),
    "success_drop": ("success", "drop"),
    "mean_spend": ("spend_usd", "mean"),
    "p95_latency": ("latency_s", "p95"),
}
"""Key of `Gates` -> metric and statistic."""


class Result(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNDECIDED = "undecided"


class Levels(NamedTuple):
    """One-sided confidences of this look."""

    upper: float
    """For passing: 1 - alpha."""
    lower: float
    """For failing: 1 - alpha / number of gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of both arms, compared and held to its margin."""

    metric: str
    statistic: str
    """`p95`, `tail`, `mean`, or `drop`."""
    baseline: float | None
    candidate: float | None
    is_ratio: bool
    change: float | None
    """Candidate over baseline; for a difference how much more (for `drop`: less) it is."""
    lower: float | None
    upper: float | None
    levels: Levels
    margin: float | None
    """None: reported, not gated."""
    result: Result
    censored: bool = False
    """More than 1 % of an arm's runs were cut by a budget: the change is a lower bound."""
    note: str | None = None
    top_tasks: tuple[str, ...] = ()
    """Golden tasks with the most runs above the candidate's p95."""

    @property
    def allowed(self) -> float | None:
        """The margin on the scale of `change`."""
        return self.margin if self.margin is None or not self.is_ratio else 1 + self.margin


class Shared(NamedTuple):
    """Golden tasks that both arms have runs of, numbered anew."""

    numbering: Ints
    n_tasks: int
    left_out: int


Statistic = Callable[[Sample, Sample, float], Interval]


def compare(
    baseline: Arm, candidate: Arm, *, tasks: Sequence[TaskTraits], gates: Gates, levels: Levels
) -> list[Comparison]:
    """Every gate, then what is reported without a margin."""
    both = (baseline, candidate)
    rows = [
        _success_drop(both, gates.success_drop, levels)
        if metric == "success"
        else _ratio(both, tasks, _blank(metric, statistic, getattr(gates, gate), levels))
        for gate, (metric, statistic) in GATED.items()
    ]
    return sorted(
        (row for row in rows if row.margin is not None or row.change is not None),
        key=lambda row: row.margin is None,
    )


def n_gates(gates: Gates) -> int:
    """How many gates have a margin; at least 1."""
    return max(1, sum(getattr(gates, name) is not None for name in GATED))


def _blank(metric: str, statistic: str, margin: float | None, levels: Levels) -> Comparison:
    """A comparison of which nothing is known yet."""
    return Comparison(
        metric=metric,
        statistic=statistic,
        baseline=None,
        candidate=None,
        is_ratio=metric != "success",
        change=None,
        lower=None,
        upper=None,
        levels=levels,
        margin=margin,
        result=Result.UNDECIDED,
    )


def _ratio(both: tuple[Arm, Arm], tasks: Sequence[TaskTraits], blank: Comparison) -> Comparison:
    """A ratio, or the difference of means where the baseline's mean is zero."""
    metric, statistic = blank.metric, blank.statistic
    shared = _shared(both, metric, len(tasks))
    if shared.n_tasks == 0:
        return replace(blank, note="no data")
    samples = [
        arm.sample(metric, numbering=shared.numbering, n_tasks=shared.n_tasks) for arm in both
    ]
    try:
        values = [_value(sample, statistic) for sample in samples]
    except NotEnoughEvidence as why:
        return replace(blank, note=str(why))
    blank = replace(blank, baseline=values[0], candidate=values[1])
    try:
        row = _measured(blank, samples, _STATISTICS[statistic])
    except NotEnoughEvidence as why:
        if statistic != "mean" or values[0] > 0 or shared.n_tasks < 2:
            return replace(blank, note=str(why))
        row = _measured(
            replace(blank, is_ratio=False, margin=blank.margin and 0.0), samples, _difference
        )
        row = replace(row, note="the baseline's mean is zero: any rise counts")
    row = _qualified(row, both, metric, shared)
    return row if statistic != "p95" else replace(row, top_tasks=_top(samples[1], tasks, shared))


def _measured(blank: Comparison, samples: Sequence[Sample], statistic: Statistic) -> Comparison:
    above = statistic(samples[0], samples[1], blank.levels.upper)
    below = statistic(samples[0], samples[1], blank.levels.lower)
    exact = above.no_variance
    row = replace(
        blank,
        change=above.estimate,
        lower=None if exact else below.lower,
        upper=None if exact else above.upper,
        note="no repeat variance: the exact figure" if exact else blank.note,
    )
    return replace(row, result=_result(row))


def _result(row: Comparison) -> Result:
    """Where the limits stand to the margin; an exact figure is its own limit."""
    if row.change is None or row.allowed is None:
        return Result.UNDECIDED
    lower = row.change if row.lower is None else row.lower
    upper = row.change if row.upper is None else row.upper
    if lower > row.allowed:
        return Result.FAIL
    passes = upper < row.allowed or (row.upper is None and upper <= row.allowed)
    return Result.PASS if passes else Result.UNDECIDED


def _qualified(row: Comparison, both: tuple[Arm, Arm], metric: str, shared: Shared) -> Comparison:
    """Take a pass back where the data are cut off or missing."""
    cut = [_share(arm.cut, arm.measured) for arm in both]
    missing = [1 - _share(arm.known(metric), arm.measured) for arm in both]
    if metric != "latency_s" and max(cut) > CUT_SHARE:
        row = replace(row, censored=True, note="budgets cut runs short: a lower bound")
    reasons = {
        "budgets cut the candidate's runs short: a lower bound": row.censored
        and cut[1] > CUT_SHARE,
        "not known for every run": max(missing) > CUT_SHARE,
        "a golden task has no result in one arm": shared.left_out > 0,
    }
    for why, holds in reasons.items():
        if holds:
            result = Result.UNDECIDED if row.result is Result.PASS else row.result
            return replace(row, result=result, note=why)
    return row


def _success_drop(both: tuple[Arm, Arm], margin: float | None, levels: Levels) -> Comparison:
    """How many points the share of successes fell."""
    runs = [int(arm.measured.sum()) for arm in both]
    successes = [int((arm.success & arm.measured).sum()) for arm in both]
    blank = _blank("success", "drop", margin, levels)
    if min(runs) == 0:
        return replace(blank, note="no data")
    limits = [
        newcombe(successes[0], runs[0], successes[1], runs[1], level=level) for level in levels
    ]
    row = replace(
        blank,
        baseline=successes[0] / runs[0],
        candidate=successes[1] / runs[1],
        change=limits[0].estimate,
        upper=limits[0].upper,
        lower=limits[1].lower,
    )
    return replace(row, result=_result(row))


def _shared(both: tuple[Arm, Arm], metric: str, n_tasks: int) -> Shared:
    present = [arm.count_by_task(arm.known(metric), n_tasks=n_tasks) > 0 for arm in both]
    kept = present[0] & present[1]
    seen = [np.bincount(arm.tasks, minlength=n_tasks) > 0 for arm in both]
    numbering = np.where(kept, np.cumsum(kept) - 1, -1)
    left_out = int((seen[0] | seen[1]).sum() - kept.sum())
    return Shared(numbering, int(kept.sum()), left_out)


def _value(sample: Sample, statistic: str) -> float:
    if statistic == "mean" or statistic == "tail":
        return float(sample.task_means().mean())
    return quantile_distribution(sample, quantile=QUANTILE).estimate


def _top(sample: Sample, tasks: Sequence[TaskTraits], shared: Shared) -> tuple[str, ...]:
    p95 = quantile_distribution(sample, quantile=QUANTILE).estimate
    above = np.bincount(sample.tasks[sample.values >= p95], minlength=shared.n_tasks)
    kept = [task.id for task, number in zip(tasks, shared.numbering, strict=True) if number >= 0]
    order = np.argsort(-above, kind="stable")[:TOP_TASKS]
    return tuple(kept[number] for number in order if above[number])


def _share(flags: Flags, of: Flags) -> float:
    return float((flags & of).sum() / max(1, of.sum()))


def _difference(baseline: Sample, candidate: Sample, level: float) -> Interval:
    return paired_difference_of_means(baseline.task_means(), candidate.task_means(), level=level)


def _mean(baseline: Sample, candidate: Sample, level: float) -> Interval:
    return paired_ratio_of_means(baseline.task_means(), candidate.task_means(), level=level)


def _p95(baseline: Sample, candidate: Sample, level: float) -> Interval:
    return ratio_of_quantiles(baseline, candidate, quantile=QUANTILE, level=level)


def _tail(baseline: Sample, candidate: Sample, level: float) -> Interval:
    return tail_ratio(baseline, candidate, level=level)


_STATISTICS: dict[str, Statistic] = {"p95": _p95, "tail": _tail, "mean": _mean}
