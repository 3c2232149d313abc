"""Is the canary worse than the active version? From the runs in their order, and nothing else.

Every metric has its part of alpha, whether the log says it or not, so that a column that comes
late changes no limit. An alarm is raised at the first canary run after which some metric is
surely above its margin: looking more often, or later, finds the same one. It has shown itself no
worse in a metric when that is surely below its margin after the last run.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.canary.metrics import METRICS, Metric, is_of
from assay.canary.state import MetricState
from assay.stats.samples import Floats
from assay.stats.sequential import (
    FIRST_LOOK,
    LowerLimits,
    difference_of_means,
    log_ratio_of_means,
    upper_difference_of_shares,
    upper_log_ratio,
)


class Alphas(NamedTuple):
    """Errors over all looks."""

    alarm: float
    """An alarm on a canary that is not worse; over all metrics together."""
    shown: float
    """That one which is worse by a margin is called no worse. Not divided: all metrics must
    be shown, so that the one that is worse must be."""


def judge(
    runs: pa.Table,
    *,
    canary: str,
    baseline: str,
    margins: Mapping[str, float],
    alphas: Alphas,
    threshold: float | None,
) -> tuple[MetricState, ...]:
    """Each metric that is watched.

    Args:
        runs: As a production log has them, in the order in which they ended.
        canary: Its prompt_id.
        baseline: The active version's.
        margins: Key of `METRICS` -> how much more is allowed.
        alphas: The two errors.
        threshold: Tokens of a dear run; None where none was fixed.
    """
    is_canary, is_baseline = is_of(runs, canary), is_of(runs, baseline)
    return tuple(
        _judged(
            key,
            METRICS[key].values(runs, threshold),
            (is_canary, is_baseline),
            margin=margins[key],
            alphas=Alphas(alphas.alarm / len(margins), alphas.shown),
        )
        for key in METRICS
        if key in margins
    )


Flags = NDArray[np.bool_]
Arms = tuple[Flags, Flags]


def _judged(key: str, values: Floats, arms: Arms, *, margin: float, alphas: Alphas) -> MetricState:
    known = ~np.isnan(values) & (arms[0] | arms[1])
    values, is_canary = values[known], arms[0][known]
    n, metric = int(is_canary.sum()), METRICS[key]
    state = MetricState(
        metric=key,
        margin=margin,
        baseline_runs=values.size - n,
        canary_runs=n,
        baseline=_mean(values[~is_canary]),
        canary=_mean(values[is_canary]),
    )
    if not n:
        return state
    limits, fired = _looked_at(metric, values, is_canary, margin=margin, alpha=alphas.alarm)
    at_most = upper_log_ratio if metric.is_ratio else upper_difference_of_shares
    upper = at_most(values, is_canary, alpha=alphas.shown)
    at = (fired or n) - 1  # an alarm is told as it was raised
    numbers = {"change": limits.estimate[at], "lower": limits.lower[at], "upper": upper[at]}
    is_below = bool(upper[-1] < (math.log1p(margin) if metric.is_ratio else margin))
    return state.model_copy(
        update={name: _shown(float(value), metric) for name, value in numbers.items()}
        | {"alarm_after": fired, "is_shown": fired is None and (is_below or _has_none(state))}
    )


def _has_none(state: MetricState) -> bool:
    """Whether neither has used any of what is compared by its ratio: there is nothing to show."""
    enough = min(state.baseline_runs, state.canary_runs) >= FIRST_LOOK
    return METRICS[state.metric].is_ratio and enough and state.baseline == state.canary == 0


def _looked_at(
    metric: Metric, values: Floats, is_canary: Flags, *, margin: float, alpha: float
) -> tuple[LowerLimits, int | None]:
    """The limits, and the canary run at which they passed the margin.

    As long as the active version has used none of it there is no ratio: then any that the
    canary surely uses is too much.
    """
    difference = difference_of_means(values, is_canary, alpha=alpha)
    if not metric.is_ratio:
        return difference, difference.first_above(margin)
    ratio = log_ratio_of_means(values, is_canary, alpha=alpha)
    from_none = LowerLimits(
        estimate=difference.estimate,
        lower=np.where(np.isnan(ratio.lower), difference.lower, np.nan),
    )
    fired = ratio.first_above(math.log1p(margin)), from_none.first_above(0.0)
    return ratio, min((at for at in fired if at is not None), default=None)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _shown(value: float, metric: Metric) -> float | None:
    if math.isnan(value):
        return None
    return math.exp(value) if metric.is_ratio else value
