"""All gates, golden tasks and bounds together: promote, reject or inconclusive, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from assay.decision.arms import Arm, TaskTraits
from assay.decision.comparing import Comparison, Levels, Result, compare, n_gates
from assay.decision.failures import (
    Finding,
    InvariantOutcome,
    TaskOutcome,
    invariant_outcomes,
    task_outcomes,
)
from assay.decision.gates import Gates
from assay.decision.needs import repeats_to_decide
from assay.decision.reason import reason_for
from assay.stats.proportions import fisher_more


class Verdict(StrEnum):
    """What to do with a candidate."""

    PROMOTE = "promote"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with everything that it rests on."""

    verdict: Verdict
    reason: str
    """One sentence, the verdict first."""
    baseline: Arm
    candidate: Arm
    comparisons: tuple[Comparison, ...]
    tasks: tuple[TaskOutcome, ...]
    invariants: tuple[InvariantOutcome, ...]
    repeats_to_decide: int | None


def decide(
    baseline: Arm,
    candidate: Arm,
    *,
    tasks: Sequence[TaskTraits],
    gates: Gates,
    max_infra_error_share: float,
    spent_budget: str | None = None,
) -> Judgement:
    """Judge a candidate by the runs of both prompts on the same golden tasks.

    Args:
        baseline: Runs of the prompt to compare with.
        candidate: Runs of the prompt to judge.
        tasks: The golden tasks, by their numbers in the arms.
        gates: Margins and the error that is allowed.
        max_infra_error_share: Share of runs lost to the infrastructure, in either arm,
            above which there is no verdict.
        spent_budget: Budget of the evaluation that ended it early, if one did: then there
            is no promote.
    """
    levels = Levels(upper=1 - gates.alpha, lower=1 - gates.alpha / n_gates(gates))
    rows = compare(baseline, candidate, tasks=tasks, gates=gates, levels=levels)
    outcomes = task_outcomes(baseline, candidate, tasks=tasks, alpha=gates.alpha)
    bounds = invariant_outcomes(
        baseline, candidate, tasks=tasks, alpha=gates.alpha / n_gates(gates)
    )
    obstacles = _obstacles(baseline, candidate, max_infra_error_share, spent_budget)
    verdict = _verdict(rows, outcomes, bounds, obstacles, is_spent=spent_budget is not None)
    needed = repeats_to_decide(rows, repeats=_repeats(baseline, candidate, len(tasks)))
    needed = needed if verdict is Verdict.INCONCLUSIVE else None
    return Judgement(
        verdict=verdict,
        reason=reason_for(
            verdict, rows, outcomes, bounds, obstacles=obstacles, repeats_to_decide=needed
        ),
        baseline=baseline,
        candidate=candidate,
        comparisons=tuple(rows),
        tasks=tuple(outcomes),
        invariants=tuple(bounds),
        repeats_to_decide=needed,
    )


def _verdict(
    rows: Sequence[Comparison],
    outcomes: Sequence[TaskOutcome],
    bounds: Sequence[InvariantOutcome],
    obstacles: Sequence[str],
    *,
    is_spent: bool,
) -> Verdict:
    """Infrastructure first, then reject, then promote; what is left is inconclusive."""
    if obstacles and not is_spent:
        return Verdict.INCONCLUSIVE
    gated = [row.result for row in rows if row.margin is not None]
    findings = [one.finding for one in outcomes] + [one.finding for one in bounds]
    if Result.FAIL in gated or Finding.REJECTS in findings:
        return Verdict.REJECT
    if obstacles or Finding.BLOCKS in findings or Result.UNDECIDED in gated:
        return Verdict.INCONCLUSIVE
    return Verdict.PROMOTE


def _obstacles(
    baseline: Arm, candidate: Arm, max_share: float, spent_budget: str | None
) -> list[str]:
    """What keeps the runs from carrying a verdict, in words."""
    found = []
    lost = [int(arm.infra.sum()) for arm in (baseline, candidate)]
    runs = [arm.n_runs for arm in (baseline, candidate)]
    if min(runs) == 0:
        return ["there are no runs of one prompt"]
    shares = [count / of for count, of in zip(lost, runs, strict=True)]
    if max(shares) > max_share:
        found.append(
            f"infrastructure errors in {shares[0]:.1%} of the baseline's and {shares[1]:.1%} of "
            f"the candidate's runs (allowed {max_share:.0%})"
        )
    elif _differ(lost, runs):
        found.append(
            f"infrastructure errors hit the arms differently ({lost[0]}/{runs[0]} and "
            f"{lost[1]}/{runs[1]} runs)"
        )
    if spent_budget is not None:
        found.append(f"the evaluation's budget {spent_budget} is spent")
    return found


def _differ(events: Sequence[int], runs: Sequence[int]) -> bool:
    more = fisher_more(events[1], runs[1], events[0], runs[0])
    fewer = fisher_more(events[0], runs[0], events[1], runs[1])
    return min(more, fewer) <= 0.025


def _repeats(baseline: Arm, candidate: Arm, n_tasks: int) -> int:
    """Repeats of the golden task that has the fewest, at least 1."""
    counts = [np.bincount(arm.tasks, minlength=n_tasks) for arm in (baseline, candidate)]
    return max(1, int(min(count.min() for count in counts)))
