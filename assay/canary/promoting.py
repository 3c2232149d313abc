"""What a promote verdict comes to: the version is made active, or begins as a canary.

`rollout.promote_to` decides; an evaluation's end, `assay promote` and `assay approve` all ask here.
"""

from dataclasses import dataclass

from assay.canary.beginning import begin_canary
from assay.canary.steps import first_share
from assay.canary.switching import CanarySwitch
from assay.config import Config
from assay.decision import Decision
from assay.decision.outcome import begun, verdict_reason
from assay.history import CANARY_START, Cause
from assay.promotion import Consent, Evidence, Promotion, kept, promote
from assay.prompts import PromptVersion


@dataclass(frozen=True, slots=True)
class Begun:
    """A canary, and the decision that tells of it."""

    decision: Decision
    switch: CanarySwitch


def begins_canary(config: Config, prompt: PromptVersion) -> bool:
    """Whether a promote of this version begins a canary."""
    return config.rollout.begins_canaries and config.prompts.active != prompt.ref


def carry_out(
    config: Config,
    prompt: PromptVersion,
    evidence: Evidence,
    consent: Consent,
    *,
    config_sha256: str | None = None,
) -> Promotion | Begun:
    """Make the prompt that was judged active, or a canary.

    Arguments and errors as `assay.promotion.promote`; of several canaries the second is refused.
    """
    if not begins_canary(config, prompt):
        return promote(config, prompt, evidence, consent, config_sha256=config_sha256)
    approver = consent.who if config_sha256 else None
    done = begin(
        config, prompt, evidence, consent, config_sha256=config_sha256, approved_by=approver
    )
    decision = begun(evidence.decision, version=prompt.ref, share=done.after.share)
    return Begun(decision, done.also_warning(kept(evidence, decision)))


def begin(
    config: Config,
    prompt: PromptVersion,
    evidence: Evidence,
    consent: Consent,
    *,
    config_sha256: str | None = None,
    approved_by: str | None = None,
) -> CanarySwitch:
    """Begin a canary on an evaluation's evidence, at its first step; begun already, change nothing.

    Arguments and errors as `assay.promotion.promote`.
    """
    cause = Cause(
        action=CANARY_START,
        who=consent.who,
        at=consent.at,
        reason=consent.note or verdict_reason(evidence.decision).removeprefix("promote: "),
        evaluation_id=evidence.folder.evaluation_id,
        evidence_sha256=evidence.folder.evidence_sha256(),
        approved_by=approved_by,
        overrides=evidence.overrides,
    )
    return begin_canary(
        config,
        prompt,
        first_share(config),
        cause=cause,
        evidence=evidence,
        config_sha256=config_sha256,
    )
