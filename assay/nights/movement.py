"""How far tonight's runs are from the kept ones: each prompt's, and the one against the other.

What moves both prompts alike is not the prompt's doing. The excess of one change over the
other, with limits of its own, is what tells a regression from a drift.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from assay.decision.arms import Arm, TaskTraits
from assay.decision.comparing import Arms, compare, n_gates
from assay.decision.comparison import Comparison, Levels
from assay.gates import Gates
from assay.nights.document import Moved, Movement
from assay.stats.contrast import Limits, excess, excess_of_ratios

ALPHA = 0.01
"""Chance that a night on which nothing moved says that something did: a few a year."""


class Times(NamedTuple):
    """One prompt's runs at two times, on the same golden tasks."""

    kept: Arm
    tonight: Arm


def movements(
    active: Times, rollback: Times | None, *, tasks: Sequence[TaskTraits], gates: Gates
) -> Iterator[Movement]:
    """Every metric that both times know, the gated ones first.

    Args:
        active: Runs of the active prompt.
        rollback: Runs of the prompt to go back to; None where there is no other one.
        tasks: The golden tasks, by their numbers in the arms.
        gates: Which metrics bear on the verdict.
    """
    level = 1 - ALPHA / n_gates(gates)
    rows = [_rows(times, tasks, gates, level) for times in (active, rollback) if times]
    for key, row in rows[0].items():
        other = rows[1].get(key) if len(rows) > 1 else None
        yield _movement(row, other, level=level)


def _rows(
    times: Times, tasks: Sequence[TaskTraits], gates: Gates, level: float
) -> dict[tuple[str, str], Comparison]:
    rows = compare(Arms(*times, tasks), gates=gates, levels=Levels(level, level))
    return {(row.metric, row.statistic): row for row in rows if row.change is not None}


def _movement(row: Comparison, other: Comparison | None, *, level: float) -> Movement:
    active, rollback = _moved(row), None if other is None else _moved(other)
    found = None
    if rollback is not None and other is not None and other.is_ratio == row.is_ratio:
        found = _excess(active, rollback, is_ratio=row.is_ratio)
    return Movement(
        metric=row.metric,
        statistic=row.statistic,
        is_ratio=row.is_ratio,
        is_gated=row.margin is not None,
        level=level,
        active=active,
        rollback=rollback,
        excess=found.change if found else None,
        excess_lower=found.lower if found else None,
        excess_upper=found.upper if found else None,
        finding=_finding(active, rollback, found, neutral=1.0 if row.is_ratio else 0.0),
        note=row.obstacle or row.note,
    )


def _moved(row: Comparison) -> Moved:
    change = row.change or 0.0
    return Moved(
        kept=row.baseline,
        tonight=row.candidate,
        change=change,
        lower=change if row.lower is None else row.lower,
        upper=change if row.upper is None else row.upper,
    )


def _excess(active: Moved, rollback: Moved, *, is_ratio: bool) -> Limits | None:
    one, other = (Limits(each.change, each.lower, each.upper) for each in (active, rollback))
    if not is_ratio:
        return excess(one, other)
    return excess_of_ratios(one, other) if min(*one, *other) > 0 else None


def _finding(active: Moved, rollback: Moved | None, more: Limits | None, *, neutral: float) -> str:
    """Regression: surely worse, and surely more so than `rollback`; drift: both moved one way."""
    is_worse, is_better = active.lower > neutral, active.upper < neutral
    if is_worse and more is not None and more.lower > neutral:
        return "regression"
    if rollback is not None and (
        (is_worse and rollback.lower > neutral) or (is_better and rollback.upper < neutral)
    ):
        return "drift"
    return "unclear" if is_worse else "same"
