"""What a look does about a canary: end it, raise its share, make it active.

Each is one rewriting of `assay.yaml` that is refused if the file is not what the look saw. A
kill between making a canary active and ending it is made good by the next look, which finds it
active.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from assay.canary.state import (
    CanaryState,
    Outcome,
    as_evidence,
    evidence_name,
    write_evidence,
)
from assay.canary.steps import next_share
from assay.canary.switching import CanarySwitch, raise_share, stop_canary
from assay.config import Config
from assay.errors import AssayError, CannotEvaluate, NoVerdict
from assay.history import (
    CANARY_ALARM,
    CANARY_RAISE,
    CANARY_STOP,
    PROMOTE,
    Cause,
)
from assay.live import Switch, switch
from assay.pointers import Canary, sha256_hex
from assay.promotion import pointers_of
from assay.prompts import load_prompt, lock_prompts


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and who said yes where somebody has to."""

    who: str
    approved_by: str | None = None
    note: str | None = None
    """For the history; without one it has what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What was done."""

    stopped: CanarySwitch | None = None
    raised: CanarySwitch | None = None
    switched: Switch | None = None
    left_open: tuple[str, ...] = ()
    """What the next look has to make good."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What `rollout.after_switch` printed."""
        done = (self.raised, self.switched, self.stopped)
        return tuple(each.output for each in done if each is not None and each.output)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should see to."""
        done = (self.raised, self.switched, self.stopped)
        own = (text for each in done if each is not None for text in each.warnings)
        return (*own, *self.left_open)


ENDS: Mapping[Outcome, str] = {
    Outcome.ALARM: CANARY_ALARM,
    Outcome.BUDGET_SPENT: CANARY_STOP,
    Outcome.ENDED: CANARY_STOP,
}
"""Outcomes that end the canary -> what history calls it."""


def act(config: Config, state: CanaryState, actor: Actor) -> Acted:
    """Do what the outcome asks for; nothing where it goes on.

    Raises:
        AssayError: It was refused, or could not be done.
    """
    if (action := ENDS.get(state.outcome)) is not None:
        return Acted(stopped=_end(config, state, action, actor, as_evidence(state)))
    if state.outcome is Outcome.SHARE_RAISED:
        return Acted(raised=_raise(config, state, actor))
    if state.outcome is Outcome.PROMOTED and config.prompts.active == state.version:
        return Acted(stopped=_end(config, state, CANARY_STOP, actor, None))
    if state.outcome is Outcome.PROMOTED:
        return _promote(config, state, actor)
    return Acted()


def _end(
    config: Config, state: CanaryState, action: str, actor: Actor, evidence: bytes | None
) -> CanarySwitch:
    return stop_canary(
        config.path,
        cause=_cause(state, action, actor, evidence),
        only=state.version,
        freeze=action == CANARY_ALARM,
    )


def _raise(config: Config, state: CanaryState, actor: Actor) -> CanarySwitch:
    share = next_share(config.rollout.canary.steps, state.share)
    if share is None:
        raise NoVerdict(f"there is no step above {state.share:g}")
    return raise_share(
        config.path,
        share,
        expect=Canary(state.version, state.share),
        cause=_cause(state, CANARY_RAISE, actor, _kept(config, state)),
    )


def _promote(config: Config, state: CanaryState, actor: Actor) -> Acted:
    directory = config.folder / config.prompts.directory
    prompt = load_prompt(directory, state.version)
    if prompt.prompt_id != state.prompt_id:
        raise NoVerdict(
            f"{state.prompt_id} was the canary, and {state.version} is {prompt.prompt_id} by now",
            mend="restore its text, or save the new one as a new version",
        )
    lock_prompts(directory, [prompt])
    evidence = _kept(config, state)
    done = switch(
        config.path,
        to=pointers_of(config).promoting(state.version),
        expect=config.sha256,
        cause=_cause(state, PROMOTE, actor, evidence),
    )
    try:
        return Acted(switched=done, stopped=_end(config, state, CANARY_STOP, actor, evidence))
    except AssayError as refused:
        return Acted(switched=done, left_open=(f"the canary is to be ended yet: {refused}",))


def _kept(config: Config, state: CanaryState) -> bytes:
    """The evidence, in a file that is named by its hash: it is kept before it is acted on."""
    evidence = as_evidence(state)
    name = evidence_name(sha256_hex(evidence))
    results = config.folder / config.results.uri
    try:
        write_evidence(results, state, name)
    except OSError as refused:
        raise CannotEvaluate(
            f"{results}: the evidence cannot be kept: {refused.strerror}",
            mend="make the results folder writable, and look again",
        ) from None
    return evidence


def _cause(state: CanaryState, action: str, actor: Actor, evidence: bytes | None) -> Cause:
    return Cause(
        action=action,
        who=actor.who,
        at=state.looked_at,
        reason=actor.note or state.reason,
        prompt_ids={
            state.version: state.prompt_id,
            state.baseline: state.baseline_prompt_id,
        },
        evidence_sha256=None if evidence is None else sha256_hex(evidence),
        approved_by=actor.approved_by,
    )
