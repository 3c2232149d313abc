"""How a flow run ends: the name of its state tells the outcome in the list of runs."""

from prefect import State
from prefect.states import Completed

from assay.decision import Decision

MAX_MESSAGE_CHARS = 500


def named_state(decision: Decision) -> State[Decision]:
    """Completed, under a name that tells what was decided and done.

    A flow that returns it ends in it, and whoever called the flow gets the decision.
    """
    return Completed(
        name=state_name(decision), message=decision.reason[:MAX_MESSAGE_CHARS], data=decision
    )


def state_name(decision: Decision) -> str:
    """`promote`, `reject`, `inconclusive`, `awaiting approval` or `promote (not switched)`."""
    if decision.verdict != "promote" or decision.switched is not None:
        return decision.verdict
    awaits = decision.approval is not None and decision.approval.state == "awaiting"
    return "awaiting approval" if awaits else "promote (not switched)"
