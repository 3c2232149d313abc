"""What became of a promote verdict: switched, not switched, or waiting for a person.

The decision's reason says so in its last clause, which goes when that changes.
"""

from datetime import datetime

from assay.decision.document import Approval, Decision, Switched

_AWAITING = "; awaiting approval: "
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
    approval = decision.approval
    if approval is not None:
        approval = approval.model_copy(update={"state": "approved"})
    return decision.model_copy(
        update={
            "reason": verdict_reason(decision),
            "approval": approval,
            "switched": Switched(before=before, after=after),
        }
    )


def verdict_reason(decision: Decision) -> str:
    """Why the verdict is what it is, without what became of it."""
    return decision.reason.partition(_AWAITING)[0].partition(NOT_SWITCHED)[0]
