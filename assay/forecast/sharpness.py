"""The smallest rise that each gate can tell, at a power of 80 %, with all looks of a plan.

The standard error of a gate's statistic comes from evaluations drawn from history, through the
same statistics as the decision. Its estimate then moves over the looks as a Brownian motion:
how far it has to be from a margin for some look to be sure follows from the looks' levels.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from assay.decision.arms import TaskTraits
from assay.decision.comparing import Arms, compare, n_gates
from assay.decision.comparison import Comparison, Levels
from assay.decision.looks import look_alphas
from assay.decision.needs import MAX_REPEATS, POWER
from assay.forecast.resampling import History
from assay.gates import GATED, Gates
from assay.stats.proportions import newcombe
from assay.stats.quantiles import MIN_REPEATS

DRAWN = 40
"""Evaluations that a standard error is taken from: it is then good to about 3 %."""
PATHS = 20_000
RUNS_FOR_A_P95 = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """What one gate can tell with this plan; ratios as rises (0.5 is x1.5), a drop in shares."""

    metric: str
    statistic: str
    margin: float
    certifies: float | None = None
    """Smallest margin that an unchanged prompt passes with 80 %: the least rise that can be
    told from none. None where that is not known."""
    rejects: float | None = None
    """Smallest rise that fails the gate with 80 %."""
    repeats: int | None = None
    """Repeats at which an unchanged prompt passes the margin with 80 %; None: none would do."""
    why: str | None = None
    """Why something is not known, or no number of repeats would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the gates are judged by."""

    history: History
    at: Sequence[int]
    """Repeats at each look."""
    gates: Gates
    seed: int

    @property
    def tasks(self) -> list[TaskTraits]:
        """The golden tasks that history knows, as the gates take them."""
        return [TaskTraits(id=str(number)) for number in self.history.tasks]

    @property
    def least_for_a_p95(self) -> int:
        """Repeats below which a p95 has no limits."""
        return max(MIN_REPEATS, math.ceil(RUNS_FOR_A_P95 / len(self.tasks)))

    @property
    def drawn_repeats(self) -> int:
        """The plan's repeats, or the least with which every statistic has limits."""
        return max(self.at[-1], self.least_for_a_p95)

    def usable(self, statistic: str) -> list[int]:
        """Looks at which the statistic has limits, in repeats."""
        least = self.least_for_a_p95 if statistic == "p95" else 1
        return [at for at in self.at if at >= least]


def sharpness(setting: Setting) -> list[Sharpness]:
    """Every gate that has a margin, in the order of the report."""
    rows = _drawn(setting)
    found = []
    for metric, statistic, margin in gated(setting.gates):
        blank = Sharpness(metric=metric, statistic=statistic, margin=margin)
        its = [row for row in rows if (row.metric, row.statistic) == (metric, statistic)]
        known = _success(setting, blank) if metric == "success" else _ratio(setting, its, blank)
        found.append(known)
    return found


def gated(gates: Gates) -> list[tuple[str, str, float]]:
    """Metric, statistic and margin of every gate that has one."""
    named = ((*GATED[name], getattr(gates, name)) for name in GATED)
    return [(metric, statistic, margin) for metric, statistic, margin in named if margin]


def drift(at: Sequence[int], *, alphas: Sequence[float], seed: int, freedom: int | None) -> float:
    """Distance from a margin, in standard errors of the last look, that is told with 80 %.

    Args:
        at: Repeats at each look that can tell, increasing.
        alphas: One-sided error of each of these looks.
        seed: Of the paths of the estimate over the looks.
        freedom: Degrees of freedom of the limits; None for a normal distribution.

    >>> round(drift([20], alphas=[0.05], seed=0, freedom=None), 1)
    2.5
    """
    times = np.asarray(at) / at[-1]
    steps = np.sqrt(np.diff(times, prepend=0.0))
    draws = np.random.default_rng(seed).standard_normal((PATHS, times.size))
    errors = np.cumsum(draws * steps, axis=1) / times  # of the estimate at each look
    levels = 1 - np.asarray(alphas)
    far = ndtri(levels) if freedom is None else stdtrit(freedom, levels)
    limits = errors + far / np.sqrt(times)
    return float(np.quantile(limits.min(axis=1), POWER))


def _drawn(setting: Setting) -> list[Comparison]:
    """Every gate on evaluations of two unchanged arms."""
    rng = np.random.default_rng(setting.seed)
    level = 1 - setting.gates.alpha
    return [
        row
        for _ in range(DRAWN)
        for row in compare(
            Arms(
                setting.history.arm(rng, repeats=setting.drawn_repeats),
                setting.history.arm(rng, repeats=setting.drawn_repeats),
                setting.tasks,
            ),
            gates=setting.gates,
            levels=Levels(level, level),
        )
    ]


def _ratio(setting: Setting, rows: Sequence[Comparison], blank: Sharpness) -> Sharpness:
    obstacles = [row.obstacle for row in rows if row.obstacle]
    if len(obstacles) > len(rows) / 2:
        return replace(blank, why=obstacles[0])
    kept = [row for row in rows if not row.obstacle]
    if any(not row.is_ratio for row in kept):
        return replace(blank, why=next(row.note for row in kept if not row.is_ratio))
    if any(row.upper is None for row in kept):
        return replace(
            blank, certifies=0.0, rejects=blank.margin, repeats=setting.at[0], why=kept[0].note
        )
    usable = setting.usable(blank.statistic)
    if not usable:
        least = setting.least_for_a_p95
        return replace(blank, repeats=least, why=f"a p95 needs {least} repeats")
    return _by_error(setting, _error(kept, n_tasks=len(setting.tasks)), usable, blank)


def _by_error(setting: Setting, error: float, usable: Sequence[int], blank: Sharpness) -> Sharpness:
    """From the standard error of the log ratio at `drawn_repeats`."""
    freedom = None if blank.statistic == "p95" else len(setting.tasks) - 1
    towards, beyond = _drifts(setting, usable, freedom=freedom)
    at_plan = error * math.sqrt(setting.drawn_repeats / setting.at[-1])
    wanted = math.log1p(blank.margin)
    repeats = max(usable[0], math.ceil(setting.at[-1] * (towards * at_plan / wanted) ** 2))
    return replace(
        blank,
        certifies=math.expm1(towards * at_plan),
        rejects=math.expm1(wanted + beyond * at_plan),
        **_within_reach(repeats),
    )


def _error(rows: Sequence[Comparison], *, n_tasks: int) -> float:
    """Standard error of the log ratio: from the limits, whose level is known."""
    level = rows[0].levels.upper
    far = ndtri(level) if rows[0].statistic == "p95" else stdtrit(n_tasks - 1, level)
    halves = [math.log(row.upper / row.change) for row in rows if row.upper and row.change]
    return float(np.sqrt(np.mean(np.square(halves)))) / float(far)


def _success(setting: Setting, blank: Sharpness) -> Sharpness:
    """By Newcombe's limits of the recorded share of successes, at the drift's confidence."""
    share, judged = setting.history.success
    if judged == 0:
        return replace(blank, why="no success is known")
    towards, beyond = (
        float(ndtr(each)) for each in _drifts(setting, list(setting.at), freedom=None)
    )

    def certifies(repeats: int) -> float:
        runs = round(len(setting.tasks) * repeats * judged)
        passes = round(share * runs)
        return newcombe(passes, runs, passes, runs, level=towards).upper

    runs = round(len(setting.tasks) * setting.at[-1] * judged)
    passes = round(share * runs)
    drops = range(passes + 1)
    first = bisect_left(
        drops,
        True,
        key=lambda k: newcombe(passes, runs, passes - k, runs, level=beyond).lower > blank.margin,
    )
    choices = range(setting.at[0], MAX_REPEATS + 2)
    at = bisect_left(choices, True, key=lambda repeats: certifies(repeats) < blank.margin)
    return replace(
        blank,
        certifies=certifies(setting.at[-1]),
        rejects=first / runs if first <= passes else None,
        **_within_reach(setting.at[0] + at),
    )


def _drifts(setting: Setting, usable: Sequence[int], *, freedom: int | None) -> tuple[float, float]:
    """Distances for passing and for failing, which is held to alpha over the number of gates."""
    alphas = look_alphas(setting.at, alpha=setting.gates.alpha)
    here = [alpha for at, alpha in zip(setting.at, alphas, strict=True) if at in usable]
    each = [alpha / n_gates(setting.gates) for alpha in here]
    towards, beyond = (
        drift(usable, alphas=levels, seed=setting.seed, freedom=freedom) for levels in (here, each)
    )
    return towards, beyond


def _within_reach(repeats: int) -> dict[str, Any]:
    if repeats <= MAX_REPEATS:
        return {"repeats": repeats}
    return {"repeats": None, "why": f"more than {MAX_REPEATS:,} repeats"}
