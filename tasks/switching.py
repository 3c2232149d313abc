"""The switch: the one step that changes what production uses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay.canary.promoting import begin, begins_canary
from assay.canary.switching import CanarySwitch
from assay.decision import Decision
from assay.decision.outcome import awaiting_approval, begun, not_switched, switched
from assay.decision.ranking import rank
from assay.errors import AssayError, CannotEvaluate, ConfigChanged
from assay.history import PROMOTE, Cause, whoami
from assay.live import Switch, read_pointers, switch
from assay.plan import Plan, folder_of
from assay.pointers import Pointers
from assay.promotion import Consent, Evidence, overrides_of
from assay.prompts import PromptVersion
from tasks.events import emit_switch
from tasks.notices import warn
from tasks.workplace import Workplace


@task(persist_result=False, cache_policy=NO_CACHE)
def switch_prompts(
    plan: Plan, decisions: Sequence[Decision], place: Workplace, *, best: bool
) -> list[Decision]:
    """On promote, make the candidate active; the decisions with what was switched.

    Of several candidates the best that is promoted is chosen, and only if `best` is asked
    for. With `rollout.approval: manual` that waits for a person. A config that is no longer
    what the decision was made for, or that cannot be written, is left as it is; the
    decision's reason says so, and what to do.
    """
    promoted = [each for each in rank(decisions) if each.verdict == "promote"]
    if len(plan.candidates) > 1 and not best:
        promoted = []
    return [_carried_out(plan, each, place) if each in promoted[:1] else each for each in decisions]


def _carried_out(plan: Plan, decision: Decision, place: Workplace) -> Decision:
    prompts = plan.config.prompts
    candidate = f"{decision.candidate.name}:{decision.candidate.version}"
    prompt = next(each for each in plan.candidates if each.ref == candidate)
    if prompts.active not in (plan.baseline.ref, candidate):
        # What was shown is that it is no worse than another prompt than production's.
        return _not_switched(decision, f"compared with {plan.baseline.ref}, not the active prompt")
    if place.why_no_switch is not None:
        return _not_switched(decision, f"{place.why_no_switch}; {_where_it_is(plan, candidate)}")
    to = Pointers(active=prompts.active, rollback=prompts.rollback).promoting(candidate)
    cause = Cause(
        action=PROMOTE,
        who=whoami(),
        at=datetime.now(UTC),
        reason=decision.reason.removeprefix("promote: "),
        prompt_ids={prompt.ref: prompt.prompt_id for prompt in plan.prompts},
        evaluation_id=plan.evaluation_id,
        evidence_sha256=folder_of(plan).evidence_sha256(),
        overrides=overrides_of(plan.allow_different),
    )
    try:
        if plan.config.rollout.approval == "manual" and prompts.active != candidate:
            return _waiting(plan, decision)
        if begins_canary(plan.config, prompt):
            return _to_canary(plan, decision, prompt)
        done = switch(plan.config.path, to=to, expect=plan.config_sha256, cause=cause)
    except CannotEvaluate as refused:
        return _not_switched(decision, f"{refused.problem}; {_where_it_is(plan, candidate)}")
    except AssayError as refused:
        return _not_switched(decision, refused.problem)
    emit_switch(done)
    _tell(done)
    before = done.entry.before if done.entry else done.before
    return switched(decision, before=before.active, after=done.after.active)


def _to_canary(plan: Plan, decision: Decision, prompt: PromptVersion) -> Decision:
    """The decision with the canary that it began, if nothing has changed since it was made for."""
    evidence = Evidence(folder_of(plan), decision, decision)
    consent = Consent(who=whoami(), at=datetime.now(UTC))
    done = begin(plan.config, prompt, evidence, consent, config_sha256=plan.config_sha256)
    _tell(done)
    return begun(decision, version=prompt.ref, share=done.after.share)


def _tell(done: Switch | CanarySwitch) -> None:
    for warning in done.warnings:
        warn(warning)
    if done.output:
        get_run_logger().info("rollout.after_switch: %s", done.output)


def _where_it_is(plan: Plan, candidate: str) -> str:
    command = f"assay promote {candidate} --evaluation {plan.evaluation_id}"
    return f"where it can be written: {command}"


def _waiting(plan: Plan, decision: Decision) -> Decision:
    """Waiting for a person, who could not approve what is no longer there to be switched."""
    if read_pointers(plan.config.path).sha256 != plan.config_sha256:
        raise ConfigChanged(f"{plan.config.path}: changed meanwhile; evaluate again")
    hours = plan.config.rollout.approval_hours
    return awaiting_approval(decision, deadline=datetime.now(UTC) + timedelta(hours=hours))


def _not_switched(decision: Decision, why: str) -> Decision:
    get_run_logger().warning("not switched: %s", why)
    return not_switched(decision, why)
