"""Is the canary worse than the active version? From the runs in their order, and nothing else.

Every metric has its part of alpha, whether the log says it or not, so that a column that comes
late changes no limit. An alarm is raised at the first canary run after which some metric is
surely above its margin: looking more often, or later, finds the same one.
"""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.canary.metrics import METRICS, Metric, is_of
from assay.canary.state import MetricState
from assay.stats.samples import Floats
from assay.stats.sequential import LowerLimits, difference_of_means, log_ratio_of_means


def judge(
    runs: pa.Table,
    *,
    canary: str,
    baseline: str,
    margins: Mapping[str, float],
    alpha: float,
    threshold: float | None,
) -> tuple[MetricState, ...]:
    """Each metric that is watched.

    Args:
        runs: As a production log has them, in the order in which they ended.
        canary: Its prompt_id.
        baseline: The active version's.
        margins: Key of `METRICS` -> how much more is allowed.
        alpha: Error over all of them and over all looks.
        threshold: Tokens of a dear run; None where none was fixed.
    """
    is_canary, is_baseline = is_of(runs, canary), is_of(runs, baseline)
    return tuple(
        _judged(
            key,
            METRICS[key].values(runs, threshold),
            (is_canary, is_baseline),
            margin=margins[key],
            alpha=alpha / len(margins),
        )
        for key in METRICS
        if key in margins
    )


Flags = NDArray[np.bool_]
Arms = tuple[Flags, Flags]


def _judged(key: str, values: Floats, arms: Arms, *, margin: float, alpha: float) -> MetricState:
    known = ~np.isnan(values) & (arms[0] | arms[1])
    values, is_canary = values[known], arms[0][known]
    n = int(is_canary.sum())
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
    limits, fired = _looked_at(METRICS[key], values, is_canary, margin=margin, alpha=alpha)
    at = (fired or n) - 1  # an alarm is told as it was raised
    shown = {"change": limits.estimate[at], "lower": limits.lower[at]}
    return state.model_copy(
        update={name: _shown(float(value), METRICS[key]) for name, value in shown.items()}
        | {"alarm_after": fired}
    )


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
