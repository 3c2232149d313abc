"""Approving a promote: `assay approve ID`, or the flow `promote` from Prefect's UI.

A step of its own, bound to what was decided: the evaluation, the prompts' texts, the very
bytes of the config, a deadline. Nothing waits for it meanwhile, neither a process nor a worker.
"""

from datetime import UTC, datetime

from assay.canary.promoting import Begun, carry_out
from assay.canary.switching import CanarySwitch
from assay.config import Config
from assay.errors import ConfigChanged, NoVerdict
from assay.history import read_history
from assay.live import Switch
from assay.pointers import read_pointer_file
from assay.promotion import (
    Consent,
    Evidence,
    Promotion,
    pointers_of,
    read_evidence,
    recorded,
)
from assay.prompts import load_prompt


def approve(config: Config, evaluation_id: str, consent: Consent) -> Promotion | Begun:
    """Carry out what the evaluation decided, if nothing has changed since and it is not too late.

    Raises:
        NoVerdict: The verdict is not promote; the candidate's text, the active prompt or any
            byte of the config is another than what was decided for; the deadline has passed;
            or the switch was made, and taken back since.
        InputError: There is no such evaluation, or a file is wrong.
        CannotEvaluate: The config or the lock cannot be written.
    """
    evidence = read_evidence(config, evaluation_id)
    if (done := _done_before(evidence, config)) is not None:
        return recorded(evidence, done)
    if (running := _canary_before(evidence, config)) is not None:
        return Begun(evidence.decision, running)
    prompt = load_prompt(config.folder / config.prompts.directory, evidence.candidate)
    decided_for = str((evidence.folder.header() or {}).get("config_sha256"))
    if config.prompts.active == evidence.baseline:  # else promote() knows what to say
        _check_in_time(evidence, consent.at)
        _check_same(config, decided_for, evidence)
    return carry_out(config, prompt, evidence, consent, config_sha256=decided_for)


def _done_before(evidence: Evidence, config: Config) -> Switch | None:
    """The switch that this evaluation led to already, if it still holds.

    A rollback leaves the very bytes that were decided for: approved again by somebody who
    has not heard of it, the bad version would come back.
    """
    about = evidence.folder.evaluation_id
    entries = read_history(config.path).entries
    own = [entry for entry in entries if entry.cause.evaluation_id == about]
    if not own:
        return None
    now, last = pointers_of(config), own[-1]
    if now.active != evidence.candidate:
        raise NoVerdict(
            f"{evidence.name} was switched at {_time(last.cause.at)}, and after that "
            f"{now.active} was made active",
            mend=f"evaluate again: assay evaluate {evidence.candidate}",
        )
    return Switch(changed=False, before=last.before, after=now, entry=last)


def _canary_before(evidence: Evidence, config: Config) -> CanarySwitch | None:
    """The canary that this evaluation led to already, if it still runs."""
    about = evidence.folder.evaluation_id
    changes = read_history(config.path).canaries
    if not any(each.cause.evaluation_id == about for each in changes):
        return None
    now = read_pointer_file(config.path).canary
    if evidence.candidate not in (now.version, config.prompts.active):
        ended = changes[-1].cause
        raise NoVerdict(
            f"{evidence.name} began a canary, which ended at {_time(ended.at)}: {ended.reason}",
            mend=f"evaluate again: assay evaluate {evidence.candidate}",
        )
    return CanarySwitch(changed=False, before=now, after=now, entry=None)


def _check_in_time(evidence: Evidence, now: datetime) -> None:
    approval = evidence.decision.approval
    if approval is not None and now > approval.deadline:
        raise NoVerdict(
            f"{evidence.name} could be approved until {_time(approval.deadline)}",
            mend=_instead(evidence),
        )


def _check_same(config: Config, decided_for: str, evidence: Evidence) -> None:
    if config.sha256 != decided_for:
        raise ConfigChanged(
            f"{config.path}: was edited since {evidence.name} began",
            mend=_instead(evidence),
        )


def _instead(evidence: Evidence) -> str:
    return (
        f"evaluate again: assay evaluate {evidence.candidate}; or take the evidence as it is: "
        f"assay promote {evidence.candidate} --evaluation {evidence.folder.evaluation_id}"
    )


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
