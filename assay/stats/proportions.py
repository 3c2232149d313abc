"""Shares of runs: how far two of them are apart, and whether one is really larger."""

import numpy as np
from scipy.special import gammaln, ndtri

from assay.errors import NotEnoughEvidence
from assay.stats.interval import Interval
from assay.stats.samples import Floats, Ints

_ROUNDING = 1e-9


def wilson(successes: float, runs: float, *, level: float) -> Interval:
    """Score interval of one proportion.

    Args:
        successes: In 0..runs; with fractions where golden tasks are weighted.
        runs: > 0.
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: The successes are more than the runs, or `level` is outside its range.
        NotEnoughEvidence: There are no runs.

    Source:
        Wilson (1927). 81 of 263, two-sided 95 %: (.2553, .3662).

    >>> interval = wilson(81, 263, level=0.975)
    >>> round(interval.lower, 4), round(interval.upper, 4)
    (0.2553, 0.3662)
    """
    if runs <= 0:
        raise NotEnoughEvidence("there are no runs")
    if not 0 <= successes <= runs:
        raise ValueError(f"{successes} of {runs} is no proportion")
    share, z = successes / runs, float(ndtri(level))
    centre = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z / (1 + z * z / runs) * np.sqrt(share * (1 - share) / runs + (z / (2 * runs)) ** 2)
    lower = 0.0 if successes == 0 else max(0.0, centre - half)
    upper = 1.0 if successes == runs else min(1.0, centre + half)
    return Interval(share, float(lower), float(upper), level)


def newcombe(
    successes: float, runs: float, other_successes: float, other_runs: float, *, level: float
) -> Interval:
    """Hybrid score interval of the first proportion less the other.

    Args:
        successes: In 0..runs.
        runs: > 0.
        other_successes: In 0..other_runs.
        other_runs: > 0.
        level: One-sided confidence of each limit, in (0.5, 1).

    Raises:
        ValueError: The successes are more than the runs, or `level` is outside its range.
        NotEnoughEvidence: One of them has no runs.

    Source:
        Newcombe (1998), method 10. 56/70 against 48/80, two-sided 95 %: (.0524, .3339).

    >>> interval = newcombe(56, 70, 48, 80, level=0.975)
    >>> round(interval.lower, 4), round(interval.upper, 4)
    (0.0524, 0.3339)
    """
    one = wilson(successes, runs, level=level)
    other = wilson(other_successes, other_runs, level=level)
    difference = one.estimate - other.estimate
    below = np.hypot(one.estimate - one.lower, other.upper - other.estimate)
    above = np.hypot(one.upper - one.estimate, other.estimate - other.lower)
    return Interval(difference, float(difference - below), float(difference + above), level)


def weighing_tasks_alike(successes: Ints, runs: Ints) -> tuple[float, float]:
    """Successes and runs as if every golden task had as many runs, for `newcombe`.

    Pooled runs would compare other mixtures of golden tasks where the arms' repeats differ.

    Args:
        successes: Of each golden task, shape (n_tasks,).
        runs: Of each golden task, > 0, shape (n_tasks,).

    >>> weighing_tasks_alike(np.array([2, 20]), np.array([4, 20]))
    (10.0, 13.333333333333334)
    """
    share = float((successes / runs).mean())
    alike = runs.size**2 / float((1 / runs).sum())
    return share * alike, alike


def fisher_more(events: int, runs: int, base_events: int, base_runs: int) -> float:
    """One-sided exact p-value that the first share is larger than the base's, in (0, 1].

    Raises:
        ValueError: There are more events than runs, or fewer than none.

    Source:
        Fisher (1935): the upper tail of the hypergeometric distribution.

    >>> round(fisher_more(3, 3, 0, 3), 3)
    0.05
    """
    if not (0 <= events <= runs and 0 <= base_events <= base_runs):
        raise ValueError("events must be between 0 and the runs")
    total, all_events = runs + base_runs, events + base_events
    possible = np.arange(events, min(runs, all_events) + 1)
    logs = (
        _log_choose(all_events, possible)
        + _log_choose(total - all_events, runs - possible)
        - _log_choose(total, runs)
    )
    return float(min(1.0, np.exp(logs).sum()))


def is_significantly_more(
    events: int, runs: int, base_events: int, base_runs: int, *, alpha: float
) -> bool:
    """Whether Fisher's one-sided test says at `alpha` (< 0.5) that the first share is larger.

    A p-value of exactly alpha counts, whatever its last digits were rounded to.

    >>> is_significantly_more(3, 3, 0, 3, alpha=0.05)
    True
    """
    if events * base_runs <= base_events * runs:
        return False  # a share that is no larger has p >= .5: most tasks of most looks
    return fisher_more(events, runs, base_events, base_runs) <= alpha * (1 + _ROUNDING)


def _log_choose(n: int, k: Ints | int) -> Floats:
    logs: Floats = gammaln(n + 1) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n + 1, k))
    return logs
