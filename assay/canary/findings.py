"""What production's logs say of a canary by now: all of it computed anew, nothing accumulated.

The first of these that holds is the outcome: an alarm, another version is active, the budget is
spent, its runs do not arrive, a step is passed. Else it goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.canary.beginning import Watched
from assay.canary.judging import Alphas, judge
from assay.canary.metrics import is_of
from assay.canary.page import alarm_words, open_words
from assay.canary.state import CanaryState, MetricState, Outcome, StepState
from assay.canary.steps import alpha_of, next_share, step_of_each
from assay.config import Config
from assay.store.production_log import ProductionLog

QUIET = timedelta(hours=1)
"""So long without any run is worth a word."""
MISSED = 10.0
"""Canary runs to be expected, of which there is none: chance does that in e^-10 of cases."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What is to be acted on."""

    state: CanaryState
    runs: pa.Table
    """Of the step whose metrics the state has."""


def found_in(
    log: ProductionLog, config: Config, about: Watched, *, threshold: float | None, now: datetime
) -> Findings:
    """All that a log says.

    Args:
        log: Of the runs since the canary began.
        config: Of the canary.
        about: What is compared with what.
        threshold: Tokens of a dear run; None where none was fixed.
        now: With a time zone.
    """
    step_of = step_of_each(log.runs, about.steps)
    by_step = [log.runs.filter(pa.array(step_of == n)) for n in range(len(about.steps))]
    judged = [
        _metrics(config, about, runs, number=number, threshold=threshold)
        for number, runs in enumerate(by_step, start=1)
    ]
    shown = next((n for n, metrics in enumerate(judged) if _alarms(metrics)), len(judged) - 1)
    over = dict(log.passed_over)
    state = _counted(config, about, by_step, threshold=threshold, now=now, passed_over=over)
    state = state.model_copy(update={"metrics": judged[shown]})
    outcome, reason = _outcome(config, state, _silence(config, about, log, by_step[-1], now))
    notes = tuple(_notes(config, state))
    state = state.model_copy(update={"outcome": outcome, "reason": reason, "notes": notes})
    return Findings(state, by_step[shown])


def _metrics(
    config: Config, about: Watched, runs: pa.Table, *, number: int, threshold: float | None
) -> tuple[MetricState, ...]:
    section = config.rollout.canary
    return judge(
        runs,
        canary=about.prompt_id,
        baseline=about.baseline_prompt_id,
        margins=section.gates.or_else(config.gates),
        alphas=Alphas(alpha_of(number, section.alpha), section.promote_alpha),
        threshold=threshold,
    )


def _alarms(metrics: tuple[MetricState, ...]) -> bool:
    return any(each.alarm_after is not None for each in metrics)


def _counted(
    config: Config,
    about: Watched,
    by_step: list[pa.Table],
    *,
    threshold: float | None,
    now: datetime,
    passed_over: dict[str, int],
) -> CanaryState:
    steps = tuple(
        StepState(
            share=step.share,
            since=step.since,
            canary_runs=int(is_of(runs, about.prompt_id).sum()),
            baseline_runs=int(is_of(runs, about.baseline_prompt_id).sum()),
        )
        for step, runs in zip(about.steps, by_step, strict=True)
    )
    canary, baseline = (sum(s.canary_runs for s in steps), sum(s.baseline_runs for s in steps))
    return CanaryState(
        **about.as_fields() | {"steps": steps},
        looked_at=now,
        outcome=Outcome.WATCHING,
        reason="",
        token_threshold=threshold,
        alpha=config.rollout.canary.alpha,
        canary_runs=canary,
        baseline_runs=baseline,
        other_runs=sum(map(len, by_step)) - canary - baseline,
        passed_over=passed_over,
        spend_usd=_spent(by_step, about.prompt_id),
    )


def _spent(by_step: list[pa.Table], prompt_id: str) -> float | None:
    sums = [pc.sum(runs.filter(is_of(runs, prompt_id))["spend_usd"]).as_py() for runs in by_step]
    known = [each for each in sums if each is not None]
    return sum(known) if known else None


def _outcome(config: Config, state: CanaryState, silence: str | None) -> tuple[Outcome, str]:
    """The first of these that holds: an alarm comes before everything."""
    active, budget = config.prompts.active, config.rollout.canary.max_spend_usd
    if state.cause is not None:
        return Outcome.ALARM, alarm_words(state, state.cause)
    if active == state.version:
        return Outcome.PROMOTED, f"{active} is active"
    if active != state.baseline:
        return Outcome.ENDED, f"{active} is active now: it was compared with {state.baseline}"
    if budget is not None and (state.spend_usd or 0.0) >= budget:
        return Outcome.BUDGET_SPENT, f"it has cost ${state.spend_usd:,.2f} of ${budget:,.2f}"
    if silence is not None:
        return Outcome.NO_DATA, silence
    return _progress(config, state)


def _progress(config: Config, state: CanaryState) -> tuple[Outcome, str]:
    """Whether the step that it is at is passed, and what then."""
    rollout, step = config.rollout, state.steps[-1]
    so_far = f"{step.canary_runs} canary runs, {step.baseline_runs} of the active"
    if len(state.steps) > 1:
        so_far += f" at {step.share:.4g}"
    if waits := "; ".join(_waits_for(config, state)):
        return Outcome.WATCHING, f"{so_far}; {waits}" if rollout.canary.steps else so_far
    passed = f"no worse within the margins: {so_far}"
    if not rollout.canary.steps:
        return Outcome.WATCHING, passed
    if (share := next_share(rollout.canary.steps, state.share)) is not None:
        return Outcome.SHARE_RAISED, f"{passed}; share {state.share:.4g} -> {share:.4g}"
    if rollout.approval == "manual":
        return Outcome.AWAITING, f"{passed}; awaiting approval: assay canary promote"
    return Outcome.PROMOTED, passed


def _waits_for(config: Config, state: CanaryState) -> Iterator[str]:
    """What is missing until the step is passed."""
    section, step = config.rollout.canary, state.steps[-1]
    hours = (state.looked_at - step.since) / timedelta(hours=1)
    if step.canary_runs < section.step_runs:
        yield f"of {section.step_runs} canary runs"
    if hours < section.step_hours:
        yield f"{hours:.1f} of {section.step_hours:g} hours"
    yield from open_words(state)


def _silence(
    config: Config, about: Watched, log: ProductionLog, runs: pa.Table, now: datetime
) -> str | None:
    """Why the canary is not guarded: its runs do not arrive. None where they do."""
    if config.rollout.frozen:
        return "rollout.frozen is true: production answers nothing with it until assay unfreeze"
    if not log.n_files:
        return "no file of rollout.canary.run_log was written since it began"
    if not len(log.runs):
        return "no run was logged since it began"
    last = log.runs["ended_at"][-1].as_py()
    if now - last > QUIET:
        return f"no run was logged since {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    ran: NDArray[np.int64] = np.flatnonzero(is_of(runs, about.prompt_id))
    since = len(runs) - 1 - int(ran[-1]) if ran.size else len(runs)
    if since * about.steps[-1].share >= MISSED:
        return f"none of the last {since} runs was a canary's: is the routing right?"
    is_known = ran.size or is_of(log.runs, about.prompt_id).any()
    return None if is_known else "no canary run was logged yet"


def _notes(config: Config, state: CanaryState) -> Iterator[str]:
    """What a reader has to know of the data."""
    for what, count in state.passed_over.items():
        yield f"passed over: {count} x {what}"
    if state.other_runs:
        yield f"{state.other_runs} runs bear another prompt_id"
    if config.rollout.canary.max_spend_usd is not None and state.canary_runs:
        known = next((m.canary_runs for m in state.metrics if m.metric == "mean_spend"), 0)
        if state.spend_usd is None or known < state.steps[-1].canary_runs:
            yield "not every run says its spend: max_spend_usd counts those that do"
    if state.steps[-1].canary_runs and (silent := [m.metric for m in state.metrics if m.is_silent]):
        yield f"not in the log, so not watched: {', '.join(silent)}"
