"""Runs, tokens, spend and minutes of an evaluation, from what the baseline's runs took.

The candidate is taken to cost what the baseline does. No statistics and no simulation here:
`assay evaluate` says the short form each time.
"""

from dataclasses import dataclass
from typing import NamedTuple

from assay.forecast.recorded import LOCAL, Recorded, recorded_runs
from assay.plan import Plan

SECONDS_A_MINUTE = 60.0
SHORT_FORM_READS = 2
"""Evaluations that the short form reads: it is said each time, and must cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What one repeat of every golden task takes by one prompt; None where it is not known."""

    tokens: float | None
    spend_usd: float | None
    seconds: float | None
    """Of work, one run after the other."""


class Cost(NamedTuple):
    """What an evaluation of so many repeats takes; None where it is not known."""

    repeats: float
    runs: int
    tokens: int | None
    spend_usd: float | None
    minutes: float | None


def run_cost(recorded: Recorded | None, *, n_tasks: int) -> RunCost:
    """The mean over recorded golden tasks, for all golden tasks.

    Args:
        recorded: The baseline's runs, if there are any.
        n_tasks: Golden tasks of the plan; those without a recorded run cost the mean.
    """
    if recorded is None:
        return RunCost(tokens=None, spend_usd=None, seconds=None)
    names = ("total_tokens", "spend_usd", "latency_s")
    by_task = recorded.runs.group_by("golden_task_id").aggregate([(name, "mean") for name in names])
    tokens, spend_usd, seconds = (
        _total(by_task[f"{name}_mean"].to_pylist(), n_tasks=n_tasks) for name in names
    )
    return RunCost(tokens=tokens, spend_usd=spend_usd, seconds=seconds)


def cost(plan: Plan, each: RunCost, *, repeats: float) -> Cost:
    """What the plan takes if it ends after so many repeats."""
    n_prompts = len(plan.prompts)
    at_once = min(_at_once(plan), n_prompts * len(plan.tasks))

    def all_of(one: float | None) -> float | None:
        return None if one is None else one * n_prompts * repeats

    tokens, seconds = all_of(each.tokens), all_of(each.seconds)
    return Cost(
        repeats=repeats,
        runs=round(n_prompts * len(plan.tasks) * repeats),
        tokens=None if tokens is None else round(tokens),
        spend_usd=all_of(each.spend_usd),
        minutes=None if seconds is None else seconds / at_once / SECONDS_A_MINUTE,
    )


def short_form(plan: Plan) -> str | None:
    """`expected: 162 to 1,080 runs, ~0.7 to 4.6 M tokens, spend unknown`, from history.

    From the first look to all repeats. None where there is no recorded run to tell from. It
    reads two evaluations at most and simulates nothing.
    """
    recorded = recorded_runs(plan, at_most=SHORT_FORM_READS)
    if recorded is None:
        return None
    each = run_cost(recorded, n_tasks=len(plan.tasks))
    least, most = (cost(plan, each, repeats=plan.looks[i]) for i in (0, -1))
    return f"expected: {_runs(least, most)}, {_tokens(least, most)}, {_spend(least, most)}"


def exceeded_budgets(plan: Plan, most: Cost) -> list[str]:
    """Budgets of the whole evaluation that would end it before its last repeat."""
    budgets = plan.config.budgets.evaluation
    found = []
    for name, needed in (
        ("max_runs", most.runs),
        ("max_tokens", most.tokens),
        ("max_spend_usd", most.spend_usd),
    ):
        limit = getattr(budgets, name)
        if limit is not None and needed is not None and needed > limit:
            found.append(f"budgets.evaluation.{name} ({limit:,g}) would end it before all repeats")
    return found


def _at_once(plan: Plan) -> int:
    """Runs made together: a model on this machine answers one after the other."""
    is_local = plan.config.agent.model.partition(":")[0] == LOCAL
    return 1 if is_local else plan.config.execution.max_concurrency


def _total(means: list[float | None], *, n_tasks: int) -> float | None:
    known = [mean for mean in means if mean is not None]
    return sum(known) / len(known) * n_tasks if known else None


def _runs(least: Cost, most: Cost) -> str:
    return f"{_range(f'{least.runs:,}', f'{most.runs:,}')} runs"


def _tokens(least: Cost, most: Cost) -> str:
    if least.tokens is None or most.tokens is None:
        return "tokens unknown"
    in_millions = most.tokens >= 1e5
    unit, scale = ("M tokens", 1e6) if in_millions else ("tokens", 1.0)
    figures = [
        f"{x / scale:.{1 if x / scale >= 1 else 2}f}" if in_millions else f"{x:,}"
        for x in (least.tokens, most.tokens)
    ]
    return f"~{_range(*figures)} {unit}"


def _spend(least: Cost, most: Cost) -> str:
    if least.spend_usd is None or most.spend_usd is None:
        return "spend unknown"
    return f"~{_range(f'{least.spend_usd:,.2f}', f'{most.spend_usd:,.2f}')} USD"


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
