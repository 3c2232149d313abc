"""Switching later, on the evidence of an evaluation that said promote.

Doing it again changes nothing and is a success; the decision is kept with its switch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from assay.config import Config
from assay.decision import Decision, Outcome, awaiting, read_outcome, with_decision
from assay.decision.outcome import switched, verdict_reason
from assay.durable import folder_lock, replace_file
from assay.errors import CannotEvaluate, InputError, NoVerdict
from assay.history import PROMOTE, Cause
from assay.live import Switch, switch
from assay.pointers import Pointers
from assay.prompts import PromptVersion, lock_prompts
from assay.store.evaluations import EvaluationFolder, find_evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Who wants an evaluation's promote to be switched, and why."""

    who: str
    at: datetime
    """With a time zone."""
    note: str | None = None
    """For the history; without one it has the evaluation's reason."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evaluation whose verdict is promote."""

    folder: EvaluationFolder
    outcome: Outcome
    decision: Decision
    """Of the candidate that it is about; an outcome may tell of several."""

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"evaluation {self.folder.evaluation_id}"

    @property
    def candidate(self) -> str:
        """What it promotes, such as `support:v15`."""
        return "{name}:{version}".format(**self.decision.candidate.model_dump())

    @property
    def baseline(self) -> str:
        """What it compared with."""
        return "{name}:{version}".format(**self.decision.baseline.model_dump())

    @property
    def overrides(self) -> tuple[str, ...]:
        """What it passed over, as history names it."""
        return overrides_of((self.folder.header() or {}).get("allow_different") or ())


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of it."""

    decision: Decision
    """As it is kept now."""
    switch: Switch


def read_evidence(config: Config, evaluation_id: str, *, prompt_id: str | None = None) -> Evidence:
    """The evaluation with this id, or the only one whose id begins so.

    Args:
        config: Names the results folder.
        evaluation_id: Or how it begins.
        prompt_id: Of several candidates the one that is meant; else the one that awaits
            approval.

    Raises:
        InputError: There is none, or there are several.
        NoVerdict: Its verdict is not promote.
        CannotEvaluate: Its decision cannot be read.
    """
    if not evaluation_id.strip():
        raise InputError("no evaluation is named", mend="`assay status` shows their ids")
    folder = find_evaluation(config.folder / config.results.uri, evaluation_id.strip())
    if not folder.decision.exists():
        raise NoVerdict(f"evaluation {folder.evaluation_id} has no verdict")
    try:
        outcome = read_outcome(folder.decision.read_bytes())
    except ValidationError:
        raise CannotEvaluate(
            f"{folder.decision}: damaged, or of another version of Assay",
            mend="restore it, or evaluate again",
        ) from None
    decision = _about(outcome, prompt_id)
    if decision is None or decision.verdict != "promote":
        said = outcome.reason if decision is None else decision.reason
        raise NoVerdict(f"evaluation {folder.evaluation_id} says {said}")
    if decision.replayed is not None and decision.replayed.mode == "all":
        of = decision.replayed.evaluation_id
        raise NoVerdict(
            f"evaluation {folder.evaluation_id} repeats what evaluation {of} recorded",
            mend=f"name that one: {of}",
        )
    return Evidence(folder, outcome, decision)


def _about(outcome: Outcome, prompt_id: str | None) -> Decision | None:
    if isinstance(outcome, Decision):
        return outcome
    if prompt_id is None:
        return awaiting(outcome)
    return next((one for one in outcome.decisions if one.candidate.prompt_id == prompt_id), None)


def check_still_about(evidence: Evidence, config: Config, prompt: PromptVersion) -> None:
    """The prompt's text is the one that was judged, and what it was compared with is active.

    Raises:
        NoVerdict: One of the two is not so.
    """
    judged, active = evidence.decision.candidate.prompt_id, config.prompts.active
    if judged != prompt.prompt_id:
        raise NoVerdict(
            f"{evidence.name} judged {judged}, not {prompt.prompt_id}",
            mend="switch to what it judged, or evaluate the other text as a new version",
        )
    if active not in (evidence.baseline, prompt.ref):
        raise NoVerdict(
            f"{evidence.name} compared with {evidence.baseline}, but {active} is active",
            mend=f"evaluate against what is active: assay evaluate {prompt.ref}",
        )


def promote(
    config: Config,
    prompt: PromptVersion,
    evidence: Evidence,
    consent: Consent,
    *,
    config_sha256: str | None = None,
) -> Promotion:
    """Make the prompt that was judged active.

    Args:
        config: What to switch.
        prompt: What to make active.
        evidence: Why it may be.
        consent: Who wants it.
        config_sha256: Approved for just this file; without it, only another switch refuses.

    Raises:
        NoVerdict: What was compared is no longer what is there.
        InputError: The prompt is locked with another text.
        CannotEvaluate: The config or the lock cannot be written.
    """
    check_still_about(evidence, config, prompt)
    # Here too: the evaluation may have been made where the lock could not be written.
    lock_prompts(config.folder / config.prompts.directory, [prompt])
    cause = Cause(
        action=PROMOTE,
        who=consent.who,
        at=consent.at,
        reason=consent.note or verdict_reason(evidence.decision).removeprefix("promote: "),
        prompt_ids={prompt.ref: prompt.prompt_id},
        evaluation_id=evidence.folder.evaluation_id,
        evidence_sha256=evidence.folder.evidence_sha256(),
        approved_by=consent.who if config_sha256 else None,
        overrides=evidence.overrides,
    )
    now = pointers_of(config)
    to = now.promoting(prompt.ref)
    return recorded(evidence, switch(config.path, to=to, expect=config_sha256 or now, cause=cause))


def overrides_of(allow_different: Iterable[str]) -> tuple[str, ...]:
    """As history names the fields in which the arms were allowed to differ."""
    return tuple(f"allow_different={name}" for name in sorted(map(str, allow_different)))


def pointers_of(config: Config) -> Pointers:
    """What the config said when it was read."""
    return Pointers(active=config.prompts.active, rollback=config.prompts.rollback)


def recorded(evidence: Evidence, done: Switch) -> Promotion:
    """The decision, kept with its switch; if it cannot be, config and history tell all the same."""
    before = done.entry.before if done.entry else done.before
    decision = switched(evidence.decision, before=before.active, after=done.after.active)
    return Promotion(decision, replace(done, warnings=done.warnings + kept(evidence, decision)))


def kept(evidence: Evidence, decision: Decision) -> tuple[str, ...]:
    """Keep what became of an evaluation's decision; a warning where that fails."""
    if decision == evidence.decision:
        return ()
    folder = evidence.folder
    try:
        with folder_lock(folder.path):
            text = with_decision(evidence.outcome, decision).model_dump_json(indent=2)
            replace_file(folder.decision, f"{text}\n".encode())
    except (OSError, CannotEvaluate) as refused:
        return (f"{folder.decision}: does not tell of the switch: {refused}",)
    return ()
