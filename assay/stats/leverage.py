"""How sure a ratio of sums is where a few golden tasks are most of the sum.

A sum that mostly is one golden task follows that task, so that its deviation from the sum is
small however much it varies; and a spread over twenty tasks, of which two matter, is known
no better than one over two. Where all tasks weigh the same this is Student's t with n - 1
degrees of freedom.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from assay.errors import NotEnoughEvidence
from assay.stats.samples import Floats

_ROUNDING = 1e-12
_CANCELLING = 1e-3


class SharedError(NamedTuple):
    """The error of a log ratio of sums over golden tasks."""

    squared: float
    freedom: float
    """Degrees of freedom of it, in [1, n_tasks - 1]."""

    def half_width(self, *, level: float) -> float:
        """Distance of each one-sided limit from the log ratio; `level` in (0.5, 1)."""
        if not 0.5 < level < 1:
            raise ValueError(f"level is {level}; it must be in (0.5, 1)")
        return float(stdtrit(self.freedom, level) * np.sqrt(self.squared))


def shared_error(influence: Floats, weights: Floats) -> SharedError:
    """The error from what each golden task adds to it.

    Args:
        influence: Shape (n_tasks,), 0 on average.
        weights: Shape (n_tasks,), >= 0: a task's log ratio e_i of its own is taken to vary as
            much as any other's, so that influence_i = w_i (e_i - sum_j h_j e_j), h = w / sum w.

    Raises:
        NotEnoughEvidence: Only one task weighs anything.

    Source:
        The quadratic form sum of influence^2 = e' A e has mean tr A and, by Satterthwaite
        (1946), (tr A)^2 / tr A^2 degrees of freedom; both follow from w.
    """
    n = int(np.count_nonzero(weights))
    if n < 2:
        raise NotEnoughEvidence("only one golden task uses any; two or more are needed")
    h = weights / weights.sum()
    a = h**2
    hh, aa, ah = float(a.sum()), float((a**2).sum()), float((a * h).sum())
    trace = hh - 2 * ah + hh * hh
    of_square = (
        aa + 2 * hh * aa + 2 * ah**2 + hh**4
        - 4 * float((a**2 * h).sum()) + 2 * hh * aa - 4 * hh * hh * ah
    )  # fmt: skip
    if trace <= _ROUNDING:
        raise NotEnoughEvidence("one golden task uses nearly all; two or more are needed")
    squared = float(np.square(influence).sum()) / weights.size**2 * hh / trace
    # With one task above all it comes to 1, and these terms to what rounding leaves of them.
    freedom = trace**2 / of_square if trace > _CANCELLING else 1.0
    is_alike = np.sqrt(squared) <= _ROUNDING * max(1.0, float(np.abs(influence).max()))
    return SharedError(0.0 if is_alike else squared, min(max(1.0, freedom), n - 1.0))
