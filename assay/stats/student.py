"""Student's t over golden tasks: how far a mean of one number a task may be off."""

import numpy as np
from scipy.special import stdtrit

from assay.stats.samples import Floats

_ROUNDING = 1e-12
MAX_LOG = 100.0
"""Beyond exp(100) a limit says nothing more; it keeps a ratio finite."""


def half_width(per_task: Floats, *, level: float) -> float:
    """Distance of each one-sided limit from the mean of one number a golden task.

    Args:
        per_task: Shape (n_tasks,), n_tasks >= 2.
        level: One-sided confidence, in (0.5, 1).

    Returns:
        >= 0; exactly 0 where all golden tasks have the same number, rounding aside.

    Raises:
        ValueError: `level` is outside its range.
    """
    if not 0.5 < level < 1:
        raise ValueError(f"level is {level}; it must be in (0.5, 1)")
    n = per_task.size
    spread = float(per_task.std(ddof=1))
    if spread <= _ROUNDING * max(1.0, float(np.abs(per_task).max())):
        return 0.0
    return float(stdtrit(n - 1, level)) * spread / float(np.sqrt(n))


def exp(log: float) -> float:
    """A ratio from its log, kept finite."""
    return float(np.exp(np.clip(log, -MAX_LOG, MAX_LOG)))
