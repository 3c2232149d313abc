"""From a plan and what is recorded of its baseline to the whole forecast."""

from collections.abc import Iterator, Sequence

from assay.decision.arms import TaskTraits
from assay.forecast.cost import Cost, cost, exceeded_budgets, run_cost
from assay.forecast.document import ExpectedCost, Forecast, GateOutlook, Unchanged
from assay.forecast.document import Recorded as RecordedPart
from assay.forecast.outlook import Outlook, unchanged_prompt
from assay.forecast.recorded import Recorded
from assay.forecast.resampling import MIN_RECORDED, OWN_RUNS, History
from assay.forecast.sharpness import Setting, Sharpness, gated, sharpness
from assay.plan import Plan, prompt_ref
from assay.store.arms import read_arm

_NO_HISTORY = "no recorded runs to tell from"


def foresee(plan: Plan, recorded: Recorded | None) -> Forecast:
    """What the plan will cost and can show; random draws are seeded by the plan's seed.

    Args:
        plan: The evaluation to come.
        recorded: The baseline's runs; None leaves all but the numbers of runs unknown.
    """
    history = None if recorded is None else _history(plan, recorded)
    setting = _setting(plan, history)
    outlook = None if setting is None else _outlook(plan, setting)
    costs = _costs(plan, recorded, outlook)
    return Forecast(
        candidate=prompt_ref(plan.candidates[0]),
        baseline=prompt_ref(plan.baseline),
        golden_tasks=len(plan.tasks),
        repeats=plan.repeats,
        looks=plan.looks,
        recorded=_recorded_part(recorded, history),
        costs=tuple(_cost_part(until, found) for until, found in costs.items()),
        unchanged=None if outlook is None else Unchanged(**outlook._asdict()),
        gates=tuple(_gates(plan, setting)),
        seed=plan.seed,
        notes=tuple(_notes(plan, recorded, history, most=costs["all_repeats"])),
    )


def _history(plan: Plan, recorded: Recorded) -> History:
    expected = {task.id: task.expect_stop_reason for task in plan.tasks}
    return History(
        read_arm(recorded.runs, prompt_ref(plan.baseline), tasks=expected),
        n_tasks=len(plan.tasks),
        metrics={metric for metric, _, _ in gated(plan.gates)} - {"success"},
    )


def _setting(plan: Plan, history: History | None) -> Setting | None:
    if history is None or history.tasks.size == 0:
        return None
    return Setting(history=history, at=plan.looks, gates=plan.gates, seed=plan.seed)


def _outlook(plan: Plan, setting: Setting) -> Outlook:
    return unchanged_prompt(
        setting,
        tasks=[TaskTraits(id=task.id, critical=task.is_critical) for task in plan.tasks],
        max_infra_error_share=plan.config.testing.max_infra_error_share,
    )


def _costs(plan: Plan, recorded: Recorded | None, outlook: Outlook | None) -> dict[str, Cost]:
    each = run_cost(recorded, n_tasks=len(plan.tasks))
    repeats: dict[str, float] = {"first_look": plan.looks[0]}
    if outlook is not None:
        repeats["typical"] = outlook.mean_repeats
    repeats["all_repeats"] = plan.repeats
    return {until: cost(plan, each, repeats=count) for until, count in repeats.items()}


def _cost_part(until: str, found: Cost) -> ExpectedCost:
    return ExpectedCost.model_validate({"until": until, **found._asdict()})


def _recorded_part(recorded: Recorded | None, history: History | None) -> RecordedPart | None:
    if recorded is None or history is None:
        return None
    return RecordedPart(
        evaluations=recorded.n_evaluations,
        runs=len(recorded.runs),
        golden_tasks=int(history.tasks.size),
        fewest_runs=int(history.counts.min()) if history.tasks.size else 0,
    )


def _gates(plan: Plan, setting: Setting | None) -> Iterator[GateOutlook]:
    if setting is None:
        for metric, statistic, margin in gated(plan.gates):
            yield GateOutlook(metric=metric, statistic=statistic, margin=margin, note=_NO_HISTORY)
        return
    for one in sharpness(setting):
        yield GateOutlook(
            metric=one.metric,
            statistic=one.statistic,
            margin=one.margin,
            certifies=one.certifies,
            rejects=one.rejects,
            enough=_is_enough(one),
            repeats_needed=one.repeats,
            note=one.why,
        )


def _is_enough(one: Sharpness) -> bool | None:
    return None if one.certifies is None else one.certifies < one.margin


def _notes(
    plan: Plan, recorded: Recorded | None, history: History | None, *, most: Cost
) -> Iterator[str]:
    yield from exceeded_budgets(plan, most)
    yield from _judging(plan)
    if plan.resumed:
        yield f"evaluation {plan.evaluation_id} was interrupted: what it made is not made again"
    if recorded is None or history is None:
        return
    yield from recorded.warnings
    unknown = _unknown(plan, history)
    if unknown:
        yield (
            f"left out of the gates: {len(unknown)} golden tasks with fewer than {MIN_RECORDED} "
            f"recorded runs ({', '.join(unknown[:3])}{', ...' if len(unknown) > 3 else ''})"
        )
    if history.pools:
        yield (
            f"rough: some golden tasks have {history.counts.min()} recorded runs only, so that "
            f"all are taken to vary alike; {OWN_RUNS} or more show how each does"
        )
    if history.tasks.size and history.success[0] == 1.0:
        yield from _never_failed(plan, history)


def _judging(plan: Plan) -> Iterator[str]:
    """What judges are asked at most, which no recorded run of the agent tells the price of."""
    judge = plan.config.judge
    rubrics = sum(check.base == "llm-rubric" for task in plan.tasks for check in task.checks)
    questions = rubrics * len(plan.prompts) * plan.repeats * judge.repeats
    if questions:
        limit = judge.max_spend_usd
        bound = "no limit in dollars" if limit is None else f"at most {limit:g} USD"
        yield (
            f"judging is not in these figures: up to {questions:,} questions to {judge.model}, "
            f"{bound} (judge.max_spend_usd)"
        )


def _never_failed(plan: Plan, history: History) -> Iterator[str]:
    """The rule of three: what a history without failures leaves possible."""
    if any(task.is_critical for task in plan.tasks):
        runs = int(history.counts.sum())
        yield (
            f"no recorded run failed, which leaves up to {3 / runs:.1%} possible (95 %): "
            "flukes of critical golden tasks would lower the chance of a promote"
        )


def _unknown(plan: Plan, history: History) -> Sequence[str]:
    known = set(history.tasks.tolist())
    return [task.id for number, task in enumerate(plan.tasks) if number not in known]
