"""One look at a canary: read the logs, judge, and on an alarm take it back at once.

    no canary       nothing is named in assay.yaml: nothing is read, nothing is written
    no data         its runs do not arrive, so that nothing guards it
    watching        it is not surely worse
    alarm           it is: assay.yaml names no canary any more
    budget spent    it has cost what it may: ended, without an alarm
    ended           another version was made active meanwhile: ended, too

A kill between any two steps is made good by the next look: the verdict hangs on the logs, the
stop on `assay.yaml`, and an alarm that nobody was told of is kept as such.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from assay.canary.beginning import Watched, token_threshold, watched
from assay.canary.judging import judge
from assay.canary.metrics import is_of
from assay.canary.page import alarm_words
from assay.canary.state import (
    CanaryState,
    Outcome,
    as_evidence,
    canary_id,
    read_state,
    write_evidence,
    write_state,
)
from assay.canary.switching import CanarySwitch, beginning_of, stop_canary
from assay.config import Config
from assay.errors import AssayError, InputError
from assay.history import CANARY_ALARM, CANARY_STOP, Cause, read_history
from assay.pointers import Canary, read_pointer_file, sha256_hex
from assay.store.production_log import ProductionLog, read_production_log

QUIET = timedelta(hours=1)
"""So long without any run is worth a word."""
MISSED = 10.0
"""Canary runs to be expected, of which there is none: chance does that in e^-10 of cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found and did."""

    outcome: Outcome
    reason: str
    state: CanaryState | None = None
    stopped: CanarySwitch | None = None
    """What ending it did; None where it goes on, or could not be ended."""
    is_left: bool = False
    """Whether it should have been ended, and could not be."""
    warnings: tuple[str, ...] = ()
    must_tell: bool = False
    """Whether people have to be told now; `mark_told` after that."""


def look(config: Config, *, who: str, now: datetime) -> Look:
    """Look once.

    Args:
        config: Of the canary.
        who: As history has it, if the canary is ended.
        now: With a time zone.

    Raises:
        InputError: What is there cannot be watched: no log is named, a log has no times, ...
        CannotEvaluate: A canary that was written by hand cannot be recorded.
    """
    canary = running_canary(config)
    results = config.folder / config.results.uri
    if canary is None:
        return _untold(config, results) or Look(outcome=Outcome.NO_CANARY, reason="no canary runs")
    about = watched(config, canary, who=who, now=now)
    before = read_state(results, about.canary_id)
    threshold = (
        before.token_threshold
        if before
        else token_threshold(config, about.baseline_prompt_id, before=about.began_at)
    )
    log = read_production_log(
        config.folder, _run_log(config), named=config.rollout.canary.columns, since=about.began_at
    )
    state = _judged(config, about, log, threshold=threshold, now=now)
    return _acted_on(config, state, before=before, who=who)


def _run_log(config: Config) -> str:
    if (pattern := config.rollout.canary.run_log) is None:
        raise InputError(
            "no run log is named: nothing guards the canary",
            path=config.path,
            mend="set rollout.canary.run_log, or end it: assay canary stop",
        )
    return pattern


def running_canary(config: Config) -> Canary | None:
    """The canary that the config names, if any request is answered with it.

    Raises:
        InputError: It names one in a way that could not be rewritten on an alarm.
    """
    named = config.rollout.canary
    if named.version is None or named.share == 0:
        return None
    canary = read_pointer_file(config.path).canary
    return canary if canary.runs else None


def mark_told(config: Config, state: CanaryState) -> None:
    """Keep that people were told, so that the next look does not tell them again."""
    write_state(config.folder / config.results.uri, state.model_copy(update={"told": True}))


def _untold(config: Config, results: Path) -> Look | None:
    """An alarm whose canary was taken back by a look that was killed before it told anybody."""
    changes = read_history(config.path).canaries
    last = changes[-1] if changes else None
    if last is None or last.cause.action != CANARY_ALARM or last.canary is None:
        return None
    began = beginning_of(last.canary.before, changes[:-1])
    state = read_state(results, canary_id(began)) if began else None
    if state is None or state.told or state.outcome is not Outcome.ALARM:
        return None
    return Look(outcome=Outcome.ALARM, reason=state.reason, state=state, must_tell=True)


def _judged(
    config: Config,
    about: Watched,
    log: ProductionLog,
    *,
    threshold: float | None,
    now: datetime,
) -> CanaryState:
    """All that the logs say by now, computed anew."""
    section, runs = config.rollout.canary, log.runs
    is_canary, is_baseline = (
        is_of(runs, prompt) for prompt in (about.prompt_id, about.baseline_prompt_id)
    )
    spend = pc.sum(runs.filter(is_canary)["spend_usd"]).as_py()
    state = CanaryState(
        **asdict(about),
        looked_at=now,
        outcome=Outcome.WATCHING,
        reason="",
        token_threshold=threshold,
        alpha=section.alpha,
        canary_runs=int(is_canary.sum()),
        baseline_runs=int(is_baseline.sum()),
        other_runs=int((~is_canary & ~is_baseline).sum()),
        passed_over=dict(log.passed_over),
        spend_usd=spend,
        metrics=judge(
            runs,
            canary=about.prompt_id,
            baseline=about.baseline_prompt_id,
            margins=section.gates.or_else(config.gates),
            alpha=section.alpha,
            threshold=threshold,
        ),
    )
    outcome, reason = _outcome(config, state, _silence(log, is_canary, about, now))
    notes = tuple(_notes(config, state))
    return state.model_copy(update={"outcome": outcome, "reason": reason, "notes": notes})


def _outcome(config: Config, state: CanaryState, silence: str | None) -> tuple[Outcome, str]:
    """The first of these that holds: an alarm comes before everything."""
    active, budget = config.prompts.active, config.rollout.canary.max_spend_usd
    if state.cause is not None:
        return Outcome.ALARM, alarm_words(state, state.cause)
    if active != state.baseline:
        return Outcome.ENDED, f"{active} is active now: it was compared with {state.baseline}"
    if budget is not None and (state.spend_usd or 0.0) >= budget:
        return Outcome.BUDGET_SPENT, f"it has cost ${state.spend_usd:,.2f} of ${budget:,.2f}"
    if silence is not None:
        return Outcome.NO_DATA, silence
    return Outcome.WATCHING, f"{state.canary_runs} canary runs, {state.baseline_runs} of the active"


def _silence(
    log: ProductionLog, is_canary: np.ndarray, about: Watched, now: datetime
) -> str | None:
    """Why the canary is not guarded: its runs do not arrive. None where they do."""
    if not log.n_files:
        return "no file of rollout.canary.run_log was written since it began"
    if not len(log.runs):
        return "no run was logged since it began"
    last = log.runs["ended_at"][-1].as_py()
    if now - last > QUIET:
        return f"no run was logged since {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    ran = np.flatnonzero(is_canary)
    since = len(log.runs) - 1 - int(ran[-1]) if ran.size else len(log.runs)
    if since * about.share >= MISSED:
        return f"none of the last {since} runs was a canary's: is the routing right?"
    return None if ran.size else "no canary run was logged yet"


def _notes(config: Config, state: CanaryState) -> Iterator[str]:
    """What a reader has to know of the data."""
    for what, count in state.passed_over.items():
        yield f"passed over: {count} x {what}"
    if state.other_runs:
        yield f"{state.other_runs} runs bear another prompt_id"
    if config.rollout.canary.max_spend_usd is not None and state.canary_runs:
        known = next((m.canary_runs for m in state.metrics if m.metric == "mean_spend"), 0)
        if state.spend_usd is None or known < state.canary_runs:
            yield "not every run says its spend: max_spend_usd counts those that do"
    silent = [m.metric for m in state.metrics if state.canary_runs and not m.canary_runs]
    if silent:
        yield f"not in the log, so not watched: {', '.join(silent)}"


ENDS = {
    Outcome.ALARM: CANARY_ALARM,
    Outcome.BUDGET_SPENT: CANARY_STOP,
    Outcome.ENDED: CANARY_STOP,
}
"""Outcomes that end the canary -> what history calls it."""


def _acted_on(config: Config, state: CanaryState, *, before: CanaryState | None, who: str) -> Look:
    """Keep what was found, and end the canary where it has to be: that first of all."""
    stopped: CanarySwitch | None = None
    warnings: list[str] = []
    if (action := ENDS.get(state.outcome)) is not None:
        try:
            stopped = _stop(config, state, action, who=who)
            warnings += stopped.warnings
        except AssayError as refused:
            warnings.append(f"the canary could not be ended: {refused}")
    if before is not None and before.outcome is state.outcome:
        state = state.model_copy(update={"told": before.told})
    results = config.folder / config.results.uri
    try:
        if stopped is not None and stopped.changed:
            write_evidence(results, state)
        write_state(results, state)
    except (OSError, AssayError) as refused:
        warnings.append(f"the state of canary {state.canary_id} was not kept: {refused}")
    return Look(
        outcome=state.outcome,
        reason=state.reason,
        state=state,
        stopped=stopped,
        is_left=action is not None and stopped is None,
        warnings=tuple(warnings),
        must_tell=state.outcome is Outcome.ALARM and not state.told,
    )


def _stop(config: Config, state: CanaryState, action: str, *, who: str) -> CanarySwitch:
    cause = Cause(
        action=action,
        who=who,
        at=state.looked_at,
        reason=state.reason,
        prompt_ids={
            state.version: state.prompt_id,
            state.baseline: state.baseline_prompt_id,
        },
        evidence_sha256=sha256_hex(as_evidence(state)),
    )
    return stop_canary(config.path, cause=cause, only=state.version)
