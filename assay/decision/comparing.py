"""Every gate in turn: from the arms' runs to pass, fail or undecided."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from assay.decision.arms import Arm, Flags, TaskTraits
from assay.decision.comparison import Comparison, Levels
from assay.decision.judges import WITHOUT_JUDGES, doubt, undecided_runs
from assay.decision.statistics import CHANGES, LEVELS, Change, Statistic, difference
from assay.errors import NotEnoughEvidence
from assay.gates import GATED, Gates, Scope
from assay.stats.proportions import newcombe, weighing_tasks_alike
from assay.stats.samples import Ints, Sample
from assay.stats.traffic import drop_of_shares

MAX_MISSING = 0.01
"""Above this share of budget-stopped or unmeasured runs a gate cannot pass."""
TOP_TASKS = 3


class Arms(NamedTuple):
    """Both arms on the same golden tasks."""

    baseline: Arm
    candidate: Arm
    tasks: Sequence[TaskTraits]


class Shared(NamedTuple):
    """Golden tasks that both arms have results of, numbered anew."""

    numbering: Ints
    """New number of each golden task, shape (all tasks,); -1 is left out."""
    n_tasks: int
    left_out: int


class Measured(NamedTuple):
    """One metric of both arms; sorting its runs is dear, so that its gates share it."""

    known: Sequence[Flags]
    shared: Shared
    samples: tuple[Sample, ...]
    """Baseline, candidate; empty where no golden task has the metric in both arms."""


def compare(arms: Arms, *, gates: Gates, levels: Levels) -> list[Comparison]:
    """Every gate, then what is reported without a margin."""
    rows = []
    # A metric's gates follow each other; of a million runs each metric takes 50 MB.
    measured = lru_cache(maxsize=1)(partial(_measure, arms))
    for gate, (metric, statistic) in GATED.items():
        blank = Comparison(
            metric=metric,
            statistic=statistic,
            is_ratio=metric != "success",
            levels=levels,
            margin=getattr(gates, gate),
        )
        rows.append(
            _success_drop(arms, blank, gates.scope, doubts=doubt(arms[:2], arms.tasks, gates))
            if metric == "success"
            else _ratio(arms, blank, measured, gates.scope)
        )
    if any(arm.judges is not None for arm in arms[:2]):
        rows.append(_success_without_judges(arms, gates=gates, levels=levels))
    known = (row for row in rows if row.margin is not None or row.change is not None)
    return sorted(known, key=lambda row: row.margin is None)


def n_gates(gates: Gates) -> int:
    """How many gates have a margin; at least 1."""
    return max(1, sum(getattr(gates, name) is not None for name in GATED))


def _measure(arms: Arms, metric: str) -> Measured:
    known = [arm.known(metric) for arm in arms[:2]]
    shared = _shared(arms, known)
    samples = [
        arm.sample(metric, numbering=shared.numbering, n_tasks=shared.n_tasks)
        for arm in arms[:2]
        if shared.n_tasks  # else nobody may know the metric at all
    ]
    return Measured(known, shared, tuple(samples))


def _ratio(
    arms: Arms, blank: Comparison, measured: Callable[[str], Measured], scope: Scope
) -> Comparison:
    """A ratio, or the difference of means where one of them is zero."""
    known, shared, samples = measured(blank.metric)
    if shared.n_tasks == 0:
        return replace(blank, obstacle="no data")
    row = _measured(blank, samples, CHANGES[scope][blank.statistic])
    row = _qualified(row, arms, known=known, shared=shared).held_to_margin()
    if blank.statistic != "p95":
        return row
    return replace(row, top_tasks=_top(samples[1], arms.tasks, shared))


def _measured(blank: Comparison, samples: Sequence[Sample], statistic: Statistic) -> Comparison:
    if not any(sample.values.any() for sample in samples):
        return _nothing(blank)
    try:
        values = [LEVELS[blank.statistic](sample) for sample in samples]
        blank = replace(blank, baseline=values[0], candidate=values[1])
        if blank.statistic == "mean" and min(values) == 0:
            return _differing(blank, samples)
        return _changed(blank, samples, statistic)
    except NotEnoughEvidence as why:
        return replace(blank, obstacle=str(why))


def _nothing(blank: Comparison) -> Comparison:
    """Zero in every run of both arms: there is no ratio, and no rise either."""
    zero = replace(blank, baseline=0.0, candidate=0.0, change=0.0, is_ratio=False)
    margin = None if blank.margin is None else 0.0
    return replace(zero, margin=margin, note="nothing used by either prompt")


def _differing(blank: Comparison, samples: Sequence[Sample]) -> Comparison:
    """A mean of zero has no ratio: the margin becomes that share of the baseline's mean."""
    margin = None if blank.margin is None else blank.margin * (blank.baseline or 0.0)
    row = _changed(replace(blank, is_ratio=False, margin=margin), samples, difference)
    return replace(row, note="a mean of zero has no ratio: this is the difference")


def _changed(blank: Comparison, samples: Sequence[Sample], statistic: Statistic) -> Comparison:
    return _with_change(blank, statistic(samples[0], samples[1], blank.levels))


def _with_change(blank: Comparison, found: Change) -> Comparison:
    return replace(
        blank,
        change=found.change,
        lower=None if found.is_exact else found.lower,
        upper=None if found.is_exact else found.upper,
        repeat_share=found.repeat_share,
        note="no repeat variance: the exact figure of these runs" if found.is_exact else None,
    )


def _qualified(
    row: Comparison, arms: Arms, *, known: Sequence[Flags], shared: Shared
) -> Comparison:
    """Say what keeps the gate from passing or failing: data that are cut off or missing.

    A cut run looks cheap: the candidate's make the change a lower bound, which cannot pass;
    the baseline's alone make it an upper bound, which cannot fail.
    """
    baseline_is_cut, candidate_is_cut = (
        _share(arm.cut, arm.measured) > MAX_MISSING for arm in arms[:2]
    )
    obstacle = row.obstacle or _missing(arms, row.metric, known=known, shared=shared)
    if candidate_is_cut:
        obstacle = obstacle or "budgets cut the candidate's runs short: a lower bound"
    elif baseline_is_cut:
        row = replace(row, note="budgets cut the baseline's runs short: an upper bound")
    return replace(
        row,
        obstacle=obstacle,
        censored=baseline_is_cut or candidate_is_cut,
        may_fail=candidate_is_cut or not baseline_is_cut,
    )


def _missing(arms: Arms, metric: str, *, known: Sequence[Flags], shared: Shared) -> str | None:
    """What the arms lack, in words."""
    if shared.left_out > 0:
        return "a golden task has no result in one arm"
    unknown = [1 - _share(have, arm.measured) for have, arm in zip(known, arms[:2], strict=True)]
    return f"{metric} is not known for every run" if max(unknown) > MAX_MISSING else None


def _success_without_judges(arms: Arms, *, gates: Gates, levels: Levels) -> Comparison:
    """The same on what needs no judge: it can keep success from passing, and rejects nothing."""
    blank = Comparison(
        metric="success",
        statistic=WITHOUT_JUDGES,
        is_ratio=False,
        levels=levels,
        margin=gates.success_drop,
        may_fail=False,
    )
    plain = Arms(arms.baseline.without_judges(), arms.candidate.without_judges(), arms.tasks)
    return _success_drop(plain, blank, gates.scope)


def _success_drop(
    arms: Arms, blank: Comparison, scope: Scope, *, doubts: str | None = None
) -> Comparison:
    """How many points the share of successes fell, on the golden tasks that both arms have."""
    known = [arm.judged for arm in arms[:2]]
    shared = _shared(arms, known)
    both = list(zip(arms[:2], known, strict=True))
    kept = [flag & (shared.numbering[arm.tasks] >= 0) for arm, flag in both]
    if shared.n_tasks == 0:
        return replace(blank, obstacle="no data")
    counts = [_passes_and_runs(arm, keep, shared) for arm, keep in zip(arms[:2], kept, strict=True)]
    wins = [weighing_tasks_alike(*each) for each in counts]
    try:
        above, below = (
            newcombe(*wins[0], *wins[1], level=level)
            if scope == "golden_tasks"
            else drop_of_shares(*(passes / runs for passes, runs in counts), level=level)
            for level in blank.levels
        )
    except NotEnoughEvidence as why:
        return replace(blank, obstacle=str(why))
    row = replace(
        blank,
        baseline=wins[0][0] / wins[0][1],
        candidate=wins[1][0] / wins[1][1],
        change=above.estimate,
        upper=above.upper,
        lower=below.lower,
        repeat_share=1.0 if scope == "golden_tasks" else 0.0,
    )
    obstacle = _missing(arms, blank.metric, known=known, shared=shared)
    if obstacle is not None and (undecided := undecided_runs(arms[:2])):
        obstacle += f": judges left {undecided} runs undecided"
    return replace(row, obstacle=obstacle or doubts).held_to_margin()


def _passes_and_runs(arm: Arm, kept: Flags, shared: Shared) -> tuple[Ints, Ints]:
    """Successes and runs of each shared golden task, shape (n_tasks,)."""
    passes, runs = (
        np.bincount(shared.numbering[arm.tasks[flags]], minlength=shared.n_tasks)
        for flags in (arm.passed & kept, kept)
    )
    return passes, runs


def _shared(arms: Arms, flags: Sequence[Flags]) -> Shared:
    n = len(arms.tasks)
    both = list(zip(arms[:2], flags, strict=True))
    kept = np.all([arm.count_by_task(flag, n_tasks=n) > 0 for arm, flag in both], axis=0)
    seen = np.any([np.bincount(arm.tasks, minlength=n) > 0 for arm, _ in both], axis=0)
    numbering = np.where(kept, np.cumsum(kept) - 1, -1)
    return Shared(numbering, int(kept.sum()), int((seen & ~kept).sum()))


def _top(sample: Sample, tasks: Sequence[TaskTraits], shared: Shared) -> tuple[str, ...]:
    at_least = sample.values >= LEVELS["p95"](sample)
    above = np.bincount(sample.tasks[at_least], minlength=shared.n_tasks)
    kept = [task.id for task, number in zip(tasks, shared.numbering, strict=True) if number >= 0]
    order = np.argsort(-above, kind="stable")[:TOP_TASKS]
    return tuple(kept[number] for number in order if above[number])


def _share(flags: Flags, of: Flags) -> float:
    return float((flags & of).sum() / max(1, of.sum()))
