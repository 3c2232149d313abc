"""All gates, golden tasks and bounds together: promote, reject or inconclusive, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from assay.decision.arms import Arm, TaskTraits
from assay.decision.comparing import Arms, compare, n_gates
from assay.decision.comparison import Comparison, Levels, Result
from assay.decision.evidence import Evidence
from assay.decision.failures import (
    Alphas,
    Finding,
    InvariantOutcome,
    TaskOutcome,
    invariant_outcomes,
    task_outcomes,
)
from assay.decision.needs import Needs, needs
from assay.decision.reason import reason_for
from assay.gates import Gates, Scope
from assay.stats.proportions import is_significantly_more

INFRA_ALPHA = 0.05
"""Two-sided level at which the arms' shares of infrastructure errors differ."""


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
    scope: Scope
    baseline: Arm
    candidate: Arm
    comparisons: tuple[Comparison, ...]
    tasks: tuple[TaskOutcome, ...]
    invariants: tuple[InvariantOutcome, ...]
    needs: Needs | None
    """What would decide it; None where it is decided."""

    @property
    def passed(self) -> frozenset[tuple[str, str]]:
        """Metric and statistic of the gates that have passed."""
        rows = (row for row in self.comparisons if row.margin is not None)
        return frozenset((r.metric, r.statistic) for r in rows if r.result is Result.PASS)

    @property
    def promotes(self) -> bool:
        """Whether the candidate may become active."""
        return self.verdict is Verdict.PROMOTE


def decide(
    baseline: Arm,
    candidate: Arm,
    *,
    tasks: Sequence[TaskTraits],
    gates: Gates,
    max_infra_error_share: float,
    spent_budget: str | None = None,
    alpha: float | None = None,
    passed_before: frozenset[tuple[str, str]] = frozenset(),
    obstacle: str | None = None,
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
        alpha: Error that this look may spend, in (0, 0.5); `gates.alpha` where there is
            one look.
        passed_before: Metric and statistic of gates that passed at an earlier look; they
            stay passed unless they fail.
        obstacle: What leaves no verdict whatever the figures say, in words: the arms
            are not comparable.

    Raises:
        ValueError: `alpha` is outside its range, or a task is outside `tasks`.
    """
    alpha = gates.alpha if alpha is None else alpha
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}; it must be in (0, 0.5)")
    arms, each = Arms(baseline, candidate, tasks), alpha / n_gates(gates)
    alphas = Alphas(any_task=each, critical=alpha)
    _require_known_tasks(arms)
    rows = compare(arms, gates=gates, levels=Levels(1 - alpha, 1 - each))
    evidence = Evidence(
        comparisons=tuple(row.remembering(passed_before) for row in rows),
        tasks=tuple(_task_outcomes(arms, alphas)),
        invariants=tuple(invariant_outcomes(baseline, candidate, tasks=tasks, alpha=each)),
        obstacle=obstacle or _infra_obstacle(baseline, candidate, max_infra_error_share),
        spent_budget=spent_budget,
    )
    return _judgement(arms, evidence, alphas=alphas, scope=gates.scope)


def _judgement(arms: Arms, evidence: Evidence, *, alphas: Alphas, scope: Scope) -> Judgement:
    verdict = _verdict(evidence)
    needed = None
    if verdict is Verdict.INCONCLUSIVE:
        repeats = _repeats(arms)
        needed = needs(evidence, repeats=repeats, alphas=alphas.shared(arms.tasks))
    return Judgement(
        verdict=verdict,
        reason=reason_for(verdict.value, evidence, advice=needed.advice if needed else None),
        scope=scope,
        baseline=arms.baseline,
        candidate=arms.candidate,
        comparisons=evidence.comparisons,
        tasks=evidence.tasks,
        invariants=evidence.invariants,
        needs=needed,
    )


def _task_outcomes(arms: Arms, alphas: Alphas) -> list[TaskOutcome]:
    """What became of each golden task; broken in what needs no judge, it is suspect at least."""
    found = task_outcomes(arms.baseline, arms.candidate, tasks=arms.tasks, alphas=alphas)
    if arms.baseline.judges is None and arms.candidate.judges is None:
        return found
    plain = task_outcomes(
        arms.baseline.without_judges(),
        arms.candidate.without_judges(),
        tasks=arms.tasks,
        alphas=alphas,
    )
    return [one.or_suspect(other) for one, other in zip(found, plain, strict=True)]


def _verdict(evidence: Evidence) -> Verdict:
    """Obstacles first, then reject, then promote; what is left is inconclusive."""
    if evidence.obstacle is not None:
        return Verdict.INCONCLUSIVE
    gated = [row.result for row in evidence.comparisons if row.margin is not None]
    findings = {one.finding for one in evidence.tasks}
    findings |= {one.finding for one in evidence.invariants}
    if Result.FAIL in gated or Finding.REJECTS in findings:
        return Verdict.REJECT
    is_open = Result.UNDECIDED in gated or findings & {Finding.BLOCKS, Finding.UNMEASURED}
    if is_open or evidence.spent_budget is not None:
        return Verdict.INCONCLUSIVE
    return Verdict.PROMOTE


def _infra_obstacle(baseline: Arm, candidate: Arm, max_share: float) -> str | None:
    """What the infrastructure did that leaves no verdict, in words."""
    lost = [int(arm.infra.sum()) for arm in (baseline, candidate)]
    runs = [arm.n_runs for arm in (baseline, candidate)]
    if min(runs) == 0:
        return "there are no runs of one prompt"
    shares = [count / of for count, of in zip(lost, runs, strict=True)]
    if max(shares) > max_share:
        return (
            f"infrastructure errors in {shares[0]:.1%} of the baseline's and {shares[1]:.1%} of "
            f"the candidate's runs (allowed {max_share:.0%})"
        )
    if _differ(lost, runs):
        return (
            f"infrastructure errors hit the arms differently ({lost[0]}/{runs[0]} and "
            f"{lost[1]}/{runs[1]} runs)"
        )
    return None


def _differ(events: Sequence[int], runs: Sequence[int]) -> bool:
    base, cand = (events[0], runs[0]), (events[1], runs[1])
    half = INFRA_ALPHA / 2
    return is_significantly_more(*cand, *base, alpha=half) or is_significantly_more(
        *base, *cand, alpha=half
    )


def _repeats(arms: Arms) -> int:
    """Repeats of the golden task that has the fewest, at least 1."""
    n = len(arms.tasks)
    counts = [np.bincount(arm.tasks, minlength=n) for arm in arms[:2]]
    return max(1, min((int(count.min()) for count in counts if count.size), default=1))


def _require_known_tasks(arms: Arms) -> None:
    for arm in arms[:2]:
        if arm.n_runs and not 0 <= arm.tasks.min() <= arm.tasks.max() < len(arms.tasks):
            raise ValueError(f"a task is outside 0..{len(arms.tasks) - 1}")
