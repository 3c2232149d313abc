"""What a mean would hide: golden tasks that broke, and bounds that are broken more often."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import numpy as np

from assay.decision.arms import Arm, Flags, TaskTraits
from assay.stats.proportions import is_significantly_more

PASSES_MOSTLY, PASSES_RARELY, PASSES_EVER = 0.8, 0.2, 0.1
FELL_FAR = 1 / 3
"""Share of a golden task's runs. More than that, and a task that never passes is promoted at
an early look when its baseline happened to fail once or twice (9 % of such evaluations)."""
_ROUNDING = 1e-9
MIN_REPEATS = 3
TELLING = 10
"""Repeats in which a task that passes two times of five fails every time with .6^10 = .6 %."""
CONFIRMED = 2
"""Repeats, all of which fail, after which a critical task's failure is no fluke."""


class Finding(StrEnum):
    """What happened to a golden task or a bound; the last three bear on the verdict."""

    SAME = "same"
    FIXED = "fixed"
    UNMEASURED = "unmeasured"
    """No success is known in one arm: no promote."""
    BLOCKS = "suspect"
    """Looks broken, but not surely: no promote."""
    REJECTS = "broken"


class Alphas(NamedTuple):
    """Chances of calling an unchanged golden task broken."""

    any_task: float
    """Over all tasks: a gate's share, so that this and the gates stay within alpha together."""
    critical: float
    """Over the critical tasks that the baseline passes in every repeat."""

    def shared(self, tasks: Sequence[TaskTraits]) -> "Alphas":
        """Of one task of these."""
        n_critical = sum(task.critical for task in tasks)
        return Alphas(self.any_task / max(1, len(tasks)), self.critical / max(1, n_critical))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """One golden task under both prompts."""

    task: TaskTraits
    baseline_passes: int
    baseline_runs: int
    candidate_passes: int
    candidate_runs: int
    finding: Finding

    def or_suspect(self, without_judges: "TaskOutcome") -> "TaskOutcome":
        """This outcome, unless the golden task looks worse in what needs no judge."""
        is_worse = without_judges.finding in (Finding.BLOCKS, Finding.REJECTS)
        if is_worse and self.finding in (Finding.SAME, Finding.FIXED):
            return replace(without_judges, finding=Finding.BLOCKS)
        return self

    @property
    def never_passed(self) -> bool:
        """Neither prompt passed it yet."""
        return self.baseline_passes == self.candidate_passes == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantOutcome:
    """One bound under both prompts, over all golden tasks or on one of them."""

    invariant: str
    task: TaskTraits | None
    """None for the count over all golden tasks, which is what is tested."""
    baseline_violations: int
    candidate_violations: int
    finding: Finding


def task_outcomes(
    baseline: Arm, candidate: Arm, *, tasks: Sequence[TaskTraits], alphas: Alphas
) -> list[TaskOutcome]:
    """What became of each golden task.

    A task is broken when Fisher's test says so at its share of alpha, or when it is critical,
    the baseline passes it in every repeat, and the candidate's failure is confirmed: it fails
    in every repeat, or Fisher says so among the critical tasks. It is suspect when it now
    passes rarely and passed far more often before, when it never passes and the baseline does
    at times, or when a critical one failed without confirmation. Where neither passed in a few
    repeats, or one arm has no result, nothing is known.

    Args:
        baseline: Runs of the prompt to compare with.
        candidate: Runs of the prompt to judge.
        tasks: The golden tasks, by their numbers in the arms.
        alphas: Chances of calling an unchanged task broken, over all tasks.
    """
    n = len(tasks)
    shares = alphas.shared(tasks)
    counts = [_passes_and_runs(arm, n) for arm in (baseline, candidate)]
    return [
        _task_outcome(
            task,
            base=(int(counts[0][0][i]), int(counts[0][1][i])),
            cand=(int(counts[1][0][i]), int(counts[1][1][i])),
            alphas=shares,
        )
        for i, task in enumerate(tasks)
    ]


def invariant_outcomes(
    baseline: Arm, candidate: Arm, *, tasks: Sequence[TaskTraits], alpha: float
) -> list[InvariantOutcome]:
    """Each bound pooled over tasks, tested at its share of `alpha`; then its tasks."""
    outcomes = []
    names = sorted(set(baseline.violations) | set(candidate.violations))
    for name in names:
        flags = [_flags(arm, name) for arm in (baseline, candidate)]
        base, cand = (int(flag.sum()) for flag in flags)
        if base + cand == 0:
            continue
        runs = [int(arm.measured.sum()) for arm in (baseline, candidate)]
        regressed = is_significantly_more(cand, runs[1], base, runs[0], alpha=alpha / len(names))
        outcomes.append(
            InvariantOutcome(
                invariant=name,
                task=None,
                baseline_violations=base,
                candidate_violations=cand,
                finding=Finding.REJECTS if regressed else Finding.SAME,
            )
        )
        outcomes += _by_task(name, (baseline, candidate), flags, tasks)
    return outcomes


def _by_task(
    name: str, arms: tuple[Arm, Arm], flags: Sequence[Flags], tasks: Sequence[TaskTraits]
) -> list[InvariantOutcome]:
    counts = [
        arm.count_by_task(flag, n_tasks=len(tasks)) for arm, flag in zip(arms, flags, strict=True)
    ]
    return [
        InvariantOutcome(
            invariant=name,
            task=tasks[i],
            baseline_violations=int(counts[0][i]),
            candidate_violations=int(counts[1][i]),
            finding=Finding.SAME,
        )
        for i in map(int, np.flatnonzero(counts[0] + counts[1]))
    ]


def _task_outcome(
    task: TaskTraits,
    *,
    base: tuple[int, int],
    cand: tuple[int, int],
    alphas: Alphas,
) -> TaskOutcome:
    return TaskOutcome(
        task=task,
        baseline_passes=base[0],
        baseline_runs=base[1],
        candidate_passes=cand[0],
        candidate_runs=cand[1],
        finding=_finding(task, base=base, cand=cand, alphas=alphas),
    )


def _finding(
    task: TaskTraits,
    *,
    base: tuple[int, int],
    cand: tuple[int, int],
    alphas: Alphas,
) -> Finding:
    if min(base[1], cand[1]) == 0:
        return Finding.UNMEASURED
    failures, base_failures = cand[1] - cand[0], base[1] - base[0]
    more = partial(is_significantly_more, failures, cand[1], base_failures, base[1])
    if more(alpha=alphas.any_task):
        return Finding.REJECTS
    if task.critical and base_failures == 0 and failures > 0:
        never_passes = failures == cand[1] >= CONFIRMED
        is_confirmed = never_passes or more(alpha=alphas.critical)
        return Finding.REJECTS if is_confirmed else Finding.BLOCKS
    return _clear_change(base, cand)


def _clear_change(base: tuple[int, int], cand: tuple[int, int]) -> Finding:
    """Passes rarely and did far more often, never and did at times, or rarely to mostly."""
    if base[0] == cand[0] == 0:
        return Finding.BLOCKS if min(base[1], cand[1]) < TELLING else Finding.SAME
    if min(base[1], cand[1]) < MIN_REPEATS:
        return Finding.SAME
    before, after = base[0] / base[1], cand[0] / cand[1]
    if after <= PASSES_RARELY and before - after >= FELL_FAR - _ROUNDING:
        return Finding.BLOCKS
    if after == 0 and before >= PASSES_EVER - _ROUNDING:
        return Finding.BLOCKS
    if before <= PASSES_RARELY and after >= PASSES_MOSTLY:
        return Finding.FIXED
    return Finding.SAME


def _passes_and_runs(arm: Arm, n_tasks: int) -> tuple[np.ndarray, np.ndarray]:
    return (
        arm.count_by_task(arm.passed, n_tasks=n_tasks),
        arm.count_by_task(arm.judged, n_tasks=n_tasks),
    )


def _flags(arm: Arm, name: str) -> Flags:
    flags = arm.violations.get(name)
    return np.zeros_like(arm.infra) if flags is None else flags & arm.measured
