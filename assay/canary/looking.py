"""One look at a canary: read the logs, judge, and do at once what has to be done about it.

    no canary           nothing is named in assay.yaml: nothing is read, nothing is written
    no data             its runs do not arrive, so that nothing guards it
    watching            it is not surely worse, and has not yet shown itself no worse
    share raised        it has: it goes on at the next share
    promoted            at the last share, too: it is active, and no canary any more
    awaiting approval   a person has to make it active
    alarm               it is worse: assay.yaml names no canary any more, and is frozen
    budget spent        it has cost what it may: ended, without an alarm
    ended               another version was made active meanwhile: ended, too

A kill between any two steps is made good by the next look: the verdict hangs on the logs, where
the canary stands on `assay.yaml` and its history, and an alarm that nobody was told of is told.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from assay.canary.acting import ENDS, Acted, Actor, act
from assay.canary.beginning import Watched, token_threshold, watched, watched_since
from assay.canary.findings import Findings, found_in
from assay.canary.incident import Aftermath, file_incident, incident_path
from assay.canary.state import (
    CanaryState,
    Outcome,
    canary_id,
    read_state,
    write_evidence,
    write_state,
)
from assay.canary.switching import CanarySwitch, course_of
from assay.config import Config
from assay.errors import AssayError, InputError, NoVerdict
from assay.history import CANARY_ALARM, read_history
from assay.live import Switch
from assay.pointers import Canary, read_pointer_file
from assay.rewriting import complete_history
from assay.store.production_log import no_runs, read_production_log

NOTHING_DONE = Acted()
TOLD = (Outcome.ALARM, Outcome.AWAITING)
"""What people are told once, however often it is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found and did."""

    outcome: Outcome
    reason: str
    state: CanaryState | None = None
    acted: Acted = NOTHING_DONE
    is_left: bool = False
    """Whether it should have been ended, and could not be."""
    warnings: tuple[str, ...] = ()
    must_tell: bool = False
    """Whether people have to be told now; `mark_told` after that."""
    incident: Path | None = None
    """What was filed of an alarm."""
    is_frozen: bool = False
    """Whether an alarm has frozen production."""

    @property
    def stopped(self) -> CanarySwitch | None:
        """What ending it did; None where it goes on, or could not be ended."""
        return self.acted.stopped

    @property
    def switched(self) -> Switch | None:
        """What making it active did."""
        return self.acted.switched


def look(config: Config, *, who: str, now: datetime) -> Look:
    """Look once.

    Args:
        config: Of the canary.
        who: As history has it, if something is done about the canary.
        now: With a time zone.

    Raises:
        InputError: What is there cannot be watched: no log is named, a log has no times, ...
        CannotEvaluate: A canary that was written by hand cannot be recorded.
    """
    complete_history(config.path)
    canary = running_canary(config)
    if canary is None:
        return _unfinished(config, now) or Look(outcome=Outcome.NO_CANARY, reason="no canary runs")
    about = watched(config, canary, who=who, now=now)
    return _acted_on(config, _found(config, about, now=now), Actor(who))


def approve(config: Config, *, who: str, note: str | None, now: datetime) -> Look:
    """A person's yes: make the canary active, if a look finds that it may be by now.

    Raises:
        NoVerdict: There is no canary, or it has not shown itself no worse at its last step.
        AssayError: As `look`, or it could not be made active.
    """
    if (canary := running_canary(config)) is None:
        raise NoVerdict("there is no canary")
    found = _found(config, watched(config, canary, who=who, now=now), now=now)
    state = found.state
    is_last = state.outcome in (Outcome.AWAITING, Outcome.PROMOTED)
    by_hand = state.outcome is Outcome.WATCHING and not config.rollout.canary.steps
    if not is_last and not (by_hand and state.is_no_worse):
        raise NoVerdict(f"{state.version}: {state.outcome.value}: {state.reason}")
    state = state.model_copy(update={"outcome": Outcome.PROMOTED})
    acted = act(config, state, Actor(who, approved_by=who, note=note))
    warnings = _kept(config, state)
    return Look(
        outcome=state.outcome,
        reason=state.reason,
        state=state,
        acted=acted,
        warnings=(*acted.warnings, *warnings),
        must_tell=acted.switched is not None,
    )


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
    write_state(_results(config), state.model_copy(update={"told": True}))


def _found(config: Config, about: Watched, *, now: datetime) -> Findings:
    """What the logs say, compared with what was fixed when it began."""
    section = config.rollout.canary
    if section.run_log is None:
        raise InputError(
            "no run log is named: nothing guards the canary",
            path=config.path,
            mend="set rollout.canary.run_log, or end it: assay canary stop",
        )
    before = read_state(_results(config), about.canary_id)
    threshold = (
        before.token_threshold
        if before
        else token_threshold(config, about.baseline_prompt_id, before=about.began_at)
    )
    log = read_production_log(
        config.folder, section.run_log, named=section.columns, since=about.began_at
    )
    found = found_in(log, config, about, threshold=threshold, now=now)
    told = before is not None and before.outcome is found.state.outcome and before.told
    return replace(found, state=found.state.model_copy(update={"told": told}))


def _acted_on(config: Config, found: Findings, actor: Actor) -> Look:
    """Do what has to be done, that first of all; then keep what was found."""
    state, acted = found.state, NOTHING_DONE
    warnings: list[str] = []
    is_left = False
    try:
        acted = act(config, state, actor)
        warnings += [*acted.warnings, *_kept(config, state, ended=acted.stopped)]
    except AssayError as refused:
        if is_left := state.outcome in ENDS:
            warnings += [f"the canary could not be ended: {refused}", *_kept(config, state)]
        else:  # not kept: somebody else may have done it meanwhile
            warnings.append(f"{state.outcome.value}: could not be done: {refused}")
            state = state.model_copy(update={"outcome": Outcome.WATCHING})
    incident, is_frozen = None, False
    if state.outcome is Outcome.ALARM:
        is_frozen = bool(read_pointer_file(config.path).says.frozen)
        incident, more = _filed(config, found, Aftermath(is_left=is_left, is_frozen=is_frozen))
        warnings += more
    return Look(
        outcome=state.outcome,
        reason=state.reason,
        state=state,
        acted=acted,
        is_left=is_left,
        warnings=tuple(warnings),
        must_tell=acted.switched is not None or (state.outcome in TOLD and not state.told),
        incident=incident,
        is_frozen=is_frozen,
    )


def _unfinished(config: Config, now: datetime) -> Look | None:
    """An alarm whose canary was taken back by a look that was killed before it told anybody."""
    changes = read_history(config.path).canaries
    last = changes[-1] if changes else None
    if last is None or last.cause.action != CANARY_ALARM or last.canary is None:
        return None
    course = course_of(last.canary.before, changes[:-1])
    state = read_state(_results(config), canary_id(course[0])) if course else None
    if state is None or (state.outcome is Outcome.ALARM and state.told):
        return None
    found = _seen_again(config, watched_since(course), state, now=now)
    if found.state.outcome is not Outcome.ALARM:  # what the logs said then is not there any more
        fields = {"outcome": Outcome.ALARM, "reason": last.cause.reason, "told": False}
        found = replace(found, state=found.state.model_copy(update=fields))
    warnings = _kept(config, found.state)
    incident: Path | None = incident_path(_results(config), found.state)
    if incident is not None and not incident.exists():
        incident, more = _filed(config, found, Aftermath(is_frozen=bool(last.frozen)))
        warnings += more
    return Look(
        outcome=Outcome.ALARM,
        reason=found.state.reason,
        state=found.state,
        warnings=tuple(warnings),
        must_tell=True,
        incident=incident,
        is_frozen=bool(last.frozen),
    )


def _seen_again(config: Config, about: Watched, state: CanaryState, *, now: datetime) -> Findings:
    """What the logs say of a canary that has ended; what was kept of it where they say nothing."""
    try:
        return _found(config, about, now=now)
    except AssayError:
        return Findings(state, no_runs())


def _kept(config: Config, state: CanaryState, *, ended: CanarySwitch | None = None) -> list[str]:
    """Keep the state, and what ended the canary for good; a warning where that fails."""
    try:
        if ended is not None and ended.changed and state.outcome in ENDS:
            write_evidence(_results(config), state)
        write_state(_results(config), state)
    except (OSError, AssayError) as refused:
        return [f"the state of canary {state.canary_id} was not kept: {refused}"]
    return []


def _filed(config: Config, found: Findings, after: Aftermath) -> tuple[Path | None, list[str]]:
    try:
        return file_incident(_results(config), found, after), []
    except (OSError, AssayError) as refused:
        return None, [f"the incident was not filed: {refused}"]


def _results(config: Config) -> Path:
    return config.folder / config.results.uri
