"""What became of a promote verdict: switched, not switched, or waiting for a person.

The decision's reason says so in its last clause, which goes when that changes.
"""

from datetime import datetime

from assay.decision.document import Approval, BegunCanary, Decision, Switched

_AWAITING = "; awaiting approval: "
_TO_CANARY = "promoted to a canary"
NOT_SWITCHED = "; not switched: "
"""In the reason of a promote that was to be switched and could not be."""


def awaiting_approval(decision: Decision, *, deadline: datetime) -> Decision:
    """A promote that a person has to approve by `deadline` before anything is switched."""
    reason = f"{decision.reason}{_AWAITING}assay approve {decision.evaluation_id}"
    approval = Approval(state="awaiting", deadline=deadline)
    return decision.model_copy(update={"reason": reason, "approval": approval})


def not_switched(decision: Decision, why: str) -> Decision:
    """A promote that left the config as it is."""
    return decision.model_copy(update={"reason": f"{decision.reason}{NOT_SWITCHED}{why}"})


def switched(decision: Decision, *, before: str, after: str) -> Decision:
    """A promote that has been carried out, approved if it had to be."""
    return decision.model_copy(
        update={
            "reason": verdict_reason(decision),
            "approval": _approved(decision.approval),
            "switched": Switched(before=before, after=after),
        }
    )


def begun(decision: Decision, *, version: str, share: float) -> Decision:
    """A promote that began a canary, approved if it had to be; nothing is switched yet."""
    canary = BegunCanary(version=version, share=share)
    return decision.model_copy(
        update={
            "reason": f"{verdict_reason(decision)}; {canary_words(canary)}",
            "approval": _approved(decision.approval),
            "canary": canary,
        }
    )


def canary_words(canary: BegunCanary) -> str:
    """`promoted to a canary (5 %)`."""
    return f"{_TO_CANARY} ({100 * canary.share:.3g} %)"


def _approved(approval: Approval | None) -> Approval | None:
    return approval and approval.model_copy(update={"state": "approved"})


def verdict_reason(decision: Decision) -> str:
    """Why the verdict is what it is, without what became of it."""
    reason = decision.reason
    for clause in (_AWAITING, NOT_SWITCHED, f"; {_TO_CANARY}"):
        reason = reason.partition(clause)[0]
    return reason
