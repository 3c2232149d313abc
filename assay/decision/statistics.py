"""What each gate's statistic says of two samples, at this look's levels."""

from collections.abc import Callable
from typing import NamedTuple

from assay.decision.comparison import Levels
from assay.gates import Scope
from assay.stats import means, tails, traffic
from assay.stats.interval import Interval
from assay.stats.quantiles import (
    quantile_distribution,
    quantile_estimate,
    ratio_of_distributions,
)
from assay.stats.samples import Sample

QUANTILE = 0.95
_ROUNDING = 1e-9


class Change(NamedTuple):
    """How the candidate compares, with the limits that a gate needs."""

    change: float
    lower: float
    """At `Levels.lower`."""
    upper: float
    """At `Levels.upper`."""
    repeat_share: float = 1.0
    """Share of the squared error that more repeats would shrink, in [0, 1]."""

    @property
    def is_exact(self) -> bool:
        """Nothing varied: an interval of width zero would pass for certainty."""
        return abs(self.upper - self.lower) <= _ROUNDING * max(abs(self.upper), 1e-300)


def p95(baseline: Sample, candidate: Sample, levels: Levels) -> Change:
    """Ratio of the pooled 95th percentiles; golden tasks are fixed, so repeats shrink it all."""
    arms = [quantile_distribution(arm, quantile=QUANTILE) for arm in (baseline, candidate)]
    return _change(lambda level: ratio_of_distributions(arms[0], arms[1], level=level), levels)


def p95_over_traffic(baseline: Sample, candidate: Sample, levels: Levels) -> Change:
    """The same with golden tasks resampled; more of them shrink the error, repeats hardly do."""
    change = _change(
        lambda level: traffic.ratio_of_quantiles(
            baseline, candidate, quantile=QUANTILE, level=level
        ),
        levels,
    )
    return change._replace(repeat_share=0.0)


def tail(baseline: Sample, candidate: Sample, levels: Levels) -> Change:
    """Ratio of each golden task's dearest fifth of runs, typically."""
    change = _change(lambda level: tails.tail_ratio(baseline, candidate, level=level), levels)
    return change._replace(repeat_share=tails.share_of_repeats(baseline, candidate))


def mean(baseline: Sample, candidate: Sample, levels: Levels) -> Change:
    """Ratio of means, paired by golden task."""
    per_task = baseline.task_means(), candidate.task_means()
    change = _change(lambda level: means.paired_ratio_of_means(*per_task, level=level), levels)
    return change._replace(repeat_share=means.share_of_repeats(baseline, candidate))


def difference(baseline: Sample, candidate: Sample, levels: Levels) -> Change:
    """Difference of means, paired by golden task: for a mean of zero."""
    per_task = baseline.task_means(), candidate.task_means()
    return _change(lambda level: means.paired_difference_of_means(*per_task, level=level), levels)


def _change(interval: Callable[[float], Interval], levels: Levels) -> Change:
    above, below = interval(levels.upper), interval(levels.lower)
    return Change(above.estimate, below.lower, above.upper)


def _p95_of(sample: Sample) -> float:
    return quantile_estimate(sample, quantile=QUANTILE)


def _mean_of(sample: Sample) -> float:
    return float(sample.task_means().mean())


Statistic = Callable[[Sample, Sample, Levels], Change]
CHANGES: dict[Scope, dict[str, Statistic]] = {
    "golden_tasks": {"p95": p95, "tail": tail, "mean": mean},
    "traffic": {"p95": p95_over_traffic, "tail": tail, "mean": mean},
}
"""By what the verdict is about; tails and means generalise over golden tasks in either."""
LEVELS: dict[str, Callable[[Sample], float]] = {
    "p95": _p95_of,
    "tail": tails.tail_level,
    "mean": _mean_of,
}
"""The figure of one arm, by statistic."""
