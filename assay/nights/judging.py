"""A night's runs -> its verdict and its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from assay.decision.arms import TaskTraits
from assay.decision.reason import clean_name, label
from assay.history import Entry
from assay.nights.document import Figures, Movement, Night, NightVerdict
from assay.nights.figures import figures
from assay.nights.movement import Times, movements
from assay.nights.reference import KEPT, TONIGHT, KeptRuns, beside, find_reference
from assay.nights.spikes import cache_note, spike
from assay.plan import Plan, folder_of, prompt_ref, seconds_since
from assay.records import PromptRef
from assay.store.arms import read_arm, total_spend_usd
from assay.versions import versions

WORST_FIRST = (NightVerdict.REGRESSION, NightVerdict.DRIFT, NightVerdict.UNCLEAR)
MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NightRuns:
    """What a night is judged by."""

    plan: Plan
    runs: pa.Table
    history: Sequence[Entry]
    """The switches of this config, oldest first."""
    previous: Night | None
    """The last night of the same active prompt."""
    now: datetime
    spent_budget: str | None = None


def judge_night(night: NightRuns) -> Night:
    """Hold tonight's runs against the kept ones."""
    plan = night.plan
    refs = [prompt_ref(prompt) for prompt in plan.prompts]
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    tonight = [figures(night.runs, ref, tasks=expected) for ref in refs]
    kept, notes = find_reference(
        folder_of(plan),
        night.runs,
        prompt_ids=[ref.prompt_id for ref in refs],
        active=plan.baseline.ref,
        history=night.history,
    )
    moved = () if kept is None else tuple(_movements(night, kept, refs))
    verdict = _verdict(night, tonight, kept, moved)
    jumped, cache = _since_last_night(night, tonight[0])
    return Night(
        evaluation_id=plan.evaluation_id,
        at=plan.created_at,
        verdict=verdict,
        reason=_reason(verdict, night, kept, moved),
        active=tonight[0],
        rollback=tonight[1] if len(tonight) > 1 else None,
        reference=kept.about if kept else None,
        movements=moved,
        spike=jumped,
        notes=(*notes, *cache),
        seconds=seconds_since(plan.created_at, night.now),
        spend_usd=total_spend_usd(night.runs, refs),
        seed=plan.seed,
        versions=versions(),
    )


def _movements(night: NightRuns, kept: KeptRuns, refs: Sequence[PromptRef]) -> list[Movement]:
    plan = night.plan
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    tasks = [TaskTraits(id=task.id, critical=task.is_critical) for task in plan.tasks]
    times = [
        Times(
            *(
                read_arm(
                    kept.tables[ref.prompt_id],
                    ref.model_copy(update={"prompt_id": when}),
                    tasks=expected,
                )
                for when in (KEPT, TONIGHT)
            )
        )
        for ref in refs
    ]
    rollback = times[1] if len(times) > 1 else None
    return list(movements(times[0], rollback, tasks=tasks, gates=plan.gates))


def _verdict(
    night: NightRuns,
    tonight: Sequence[Figures],
    kept: KeptRuns | None,
    moved: Sequence[Movement],
) -> NightVerdict:
    if night.spent_budget is not None or _lost_share(tonight) > _allowed_share(night):
        return NightVerdict.NO_VERDICT
    if kept is None:
        return NightVerdict.NO_REFERENCE
    findings = {one.finding for one in moved if one.is_gated}
    return next((each for each in WORST_FIRST if each in findings), NightVerdict.UNCHANGED)


def _lost_share(tonight: Sequence[Figures]) -> float:
    return max(each.infra_errors / max(1, each.runs) for each in tonight)


def _allowed_share(night: NightRuns) -> float:
    return night.plan.config.testing.max_infra_error_share


def _since_last_night(night: NightRuns, tonight: Figures) -> tuple[str | None, tuple[str, ...]]:
    """A spike in work since the night before, and what the cache did."""
    before = night.previous
    if before is None or before.active.prompt != tonight.prompt:
        return None, ()
    folder = folder_of(night.plan)
    last = type(folder)(folder.path.parent / before.evaluation_id)
    kept = beside(last, night.runs, prompt_ids=[tonight.prompt.prompt_id], is_promotion=False)
    if kept is None or kept.differing:
        return None, ()
    moved = _movements(night, kept, [tonight.prompt])
    note = cache_note(before.active, tonight)
    return spike(moved, night.plan.gates), (note,) if note else ()


def _reason(
    verdict: NightVerdict, night: NightRuns, kept: KeptRuns | None, moved: Sequence[Movement]
) -> str:
    active, others = night.plan.baseline.ref, [prompt.ref for prompt in night.plan.candidates]
    found = [one for one in moved if one.is_gated and one.finding == verdict]
    said = ", ".join(_phrase(one, active, others) for one in found[:MAX_NAMED])
    match verdict:
        case NightVerdict.REGRESSION:
            return f"regression: {said}"
        case NightVerdict.DRIFT:
            return f"environment drift: {said}; the model, a tool or the data moved, not the prompt"
        case NightVerdict.UNCLEAR:
            why = "too few runs to tell" if others else "there is no other version to tell by"
            return f"unclear: {said}; {why} whether it was the prompt"
        case NightVerdict.UNCHANGED:
            since = f"{kept.about.at:%Y-%m-%d}" if kept else "then"
            return f"unchanged: no gated metric of {active} is surely worse than on {since}"
        case NightVerdict.NO_REFERENCE:
            return "no reference yet: tonight's runs are kept for the nights to come"
        case NightVerdict.NO_VERDICT:
            spent = night.spent_budget
            why = f"the budget {clean_name(spent)} is spent" if spent else "infrastructure errors"
            return f"no verdict: {why}"


def _phrase(one: Movement, active: str, others: Sequence[str]) -> str:
    """`tokens x1.89 (at least x1.62) under support:v13, x1.02 under support:v12`."""
    least = one.active.lower if one.active.change > (1 if one.is_ratio else 0) else one.active.upper
    word = "at least" if least == one.active.lower else "at most"
    said = (
        f"{label(one.metric, one.statistic)} {_shown(one, one.active.change)} "
        f"({word} {_shown(one, least)}) under {active}"
    )
    if one.rollback is None or not others:
        return said
    return f"{said}, {_shown(one, one.rollback.change)} under {others[0]}"


def _shown(one: Movement, change: float) -> str:
    if one.is_ratio:
        return f"x{change:.2f}"
    return f"{-100 * change:+.1f} points" if one.metric == "success" else f"{change:+.3g}"
