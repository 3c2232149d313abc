"""Whether a figure creeps from night to night: a straight line through its logs."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from assay.errors import NotEnoughEvidence
from assay.stats.interval import Interval

MIN_NIGHTS = 5


def growth_per_night(
    nights: Sequence[float], figures: Sequence[float], *, level: float
) -> Interval:
    """The factor by which a figure grows each night, by least squares on its log.

    Args:
        nights: When each figure was measured, in days, shape (n,).
        figures: > 0, shape (n,).
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        NotEnoughEvidence: Fewer than five nights, all at one time, or a figure that is not > 0.

    Source:
        Simple linear regression; Student's t with n - 2 degrees of freedom.

    >>> growth_per_night([0, 1, 2, 3, 4], [100, 110, 121, 133.1, 146.41], level=0.95).estimate
    1.1
    """
    x, y = np.asarray(nights, dtype=np.float64), np.asarray(figures, dtype=np.float64)
    if x.size < MIN_NIGHTS:
        raise NotEnoughEvidence(f"there are {x.size} nights; {MIN_NIGHTS} or more are needed")
    spread = float(((x - x.mean()) ** 2).sum())
    if spread == 0 or y.min() <= 0:
        raise NotEnoughEvidence("a trend needs figures above zero at different times")
    logs = np.log(y)
    slope = float(((x - x.mean()) * logs).sum()) / spread
    residuals = logs - logs.mean() - slope * (x - x.mean())
    error = np.sqrt(float((residuals**2).sum()) / (x.size - 2) / spread)
    half = float(stdtrit(x.size - 2, level) * error)
    factor = round(float(np.exp(slope)), 12)
    return Interval(factor, float(np.exp(slope - half)), float(np.exp(slope + half)), level)
