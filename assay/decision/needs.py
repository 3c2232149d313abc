"""What would decide an inconclusive evaluation: a number of repeats, or something else."""

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy.special import ndtri

from assay.decision.comparison import Comparison, Result
from assay.decision.evidence import Evidence
from assay.decision.failures import TELLING, Alphas, Finding, TaskOutcome
from assay.decision.statistics import QUANTILE
from assay.stats.proportions import is_significantly_more
from assay.stats.quantiles import MIN_REPEATS

POWER = 0.8
MAX_REPEATS = 1_000
"""More than this is no plan: only more golden tasks, or a wider margin, would help."""

USUAL_P95_SPREAD = 3.6
"""Runs x squared standard error of the log ratio of two p95; simulated, docs/statistics.md."""


class Needs(NamedTuple):
    """What would probably decide it, at 80 % power."""

    repeats: int | None
    """None: no number of repeats would."""
    advice: str
    """In words."""


def needs(evidence: Evidence, *, repeats: int, alphas: Alphas) -> Needs:
    """What every undecided gate and every suspect golden task would take.

    Args:
        evidence: Of an inconclusive look.
        repeats: Repeats of each golden task so far, >= 1.
        alphas: Of one golden task at this look.

    Source:
        Runs grow with the square of the standard error to be had; docs/statistics.md.
    """
    if evidence.obstacle is not None:
        return Needs(None, "run it again once that is mended")
    found = _each(evidence, repeats=repeats, alphas=alphas)
    hopeless = next((one for one in found if one.repeats is None), None)
    if hopeless is not None:
        return hopeless
    if not found:
        return Needs(None, "a larger budget would decide it")
    most = max(repeats + 1, *(one.repeats or 0 for one in found))
    return Needs(most, f"about {most} repeats would decide it")


def _each(evidence: Evidence, *, repeats: int, alphas: Alphas) -> list[Needs]:
    outcomes = evidence.tasks
    gates = [
        _gate(row, repeats=repeats, n_tasks=len(outcomes))
        for row in evidence.comparisons
        if row.margin is not None and row.result is Result.UNDECIDED
    ]
    return gates + [
        _task(one, alpha=alphas.critical if one.task.critical else alphas.any_task)
        for one in outcomes
        if one.finding in (Finding.BLOCKS, Finding.UNMEASURED)
    ]


def _gate(row: Comparison, *, repeats: int, n_tasks: int) -> Needs:
    if row.statistic == "p95" and row.change is None and row.candidate is not None:
        wanted = _for_a_p95(row, n_tasks=n_tasks)
        if repeats < wanted:
            return Needs(wanted, "")
    if row.censored:
        return Needs(None, "a wider budget of a run would decide it, more repeats would not")
    if row.obstacle is not None or row.change is None or row.allowed is None:
        return Needs(None, "more repeats would not decide it")
    return _by_spread(row, repeats=repeats)


def _for_a_p95(row: Comparison, *, n_tasks: int) -> int:
    """Repeats for an unchanged p95, where there are too few runs to know its spread."""
    room = math.log(row.allowed or 1.0)
    z = float(ndtri(row.levels.upper) + ndtri(POWER))
    runs = max(1 / (1 - QUANTILE), USUAL_P95_SPREAD * (z / room) ** 2)
    return max(MIN_REPEATS, math.ceil(runs / max(1, n_tasks)))


def _by_spread(row: Comparison, *, repeats: int) -> Needs:
    """Shrink the error that repeats can shrink until the margin is clear of the change."""
    close = Needs(
        None,
        "more repeats would not decide it: the change is too close to what is allowed; "
        "more golden tasks or another margin would",
    )
    ratio = _error_over_wanted(row)
    if ratio is None:
        return close
    room = 1 / ratio**2 - (1 - row.repeat_share)
    if room <= 0:
        return Needs(
            None,
            "more repeats would not decide it: golden tasks respond too differently; "
            "more golden tasks would",
        )
    needed = repeats * row.repeat_share / room
    return close if needed > MAX_REPEATS else Needs(math.ceil(needed), "")


def _error_over_wanted(row: Comparison) -> float | None:
    """The standard error over what 80 % power needs; None where no error is small enough."""
    if row.change is None or row.lower is None or row.upper is None or row.allowed is None:
        return None
    is_log = row.is_ratio and min(row.change, row.lower) > 0
    scale: Callable[[float], float] = math.log if is_log else float
    change, allowed = scale(row.change), scale(row.allowed)
    is_below = change < allowed
    z = float(ndtri(row.levels.upper if is_below else row.levels.lower))
    error = abs(scale(row.upper if is_below else row.lower) - change) / z
    wanted = abs(allowed - change) / (z + float(ndtri(POWER)))
    return None if wanted <= 0 or error <= 0 else error / wanted


def _task(one: TaskOutcome, *, alpha: float) -> Needs:
    """Repeats after which the same shares of passes would be sure, or a pass be seen."""
    if one.finding is Finding.UNMEASURED:
        return Needs(None, "more repeats would not decide it")
    if one.never_passed:
        return Needs(TELLING, "")
    passes = one.baseline_passes / one.baseline_runs, one.candidate_passes / one.candidate_runs
    for runs in range(one.candidate_runs + 1, MAX_REPEATS + 1):
        base, cand = (round(runs * (1 - share)) for share in passes)
        if is_significantly_more(cand, runs, base, runs, alpha=alpha):
            return Needs(runs, "")
    return Needs(None, "more repeats would not decide it")
