"""How a flow run ends: the name of its state tells the outcome in the list of runs."""

from prefect import State
from prefect.states import Completed

from assay.decision import Outcome
from assay.decision.outcome import canary_words

MAX_MESSAGE_CHARS = 500


def named_state(outcome: Outcome) -> State[Outcome]:
    """Completed, under a name that tells what was decided and done.

    A flow that returns it ends in it, and whoever called the flow gets the outcome.
    """
    return Completed(
        name=state_name(outcome), message=outcome.reason[:MAX_MESSAGE_CHARS], data=outcome
    )


def state_name(outcome: Outcome) -> str:
    """`promote`, `reject`, `inconclusive`, or what became of a promote that switched nothing.

    That is `awaiting approval`, `promoted to a canary (5 %)` or `promote (not switched)`.
    """
    if outcome.awaits_approval:
        return "awaiting approval"
    if outcome.canary is not None:
        return canary_words(outcome.canary)
    is_left = outcome.verdict == "promote" and outcome.switched is None
    return "promote (not switched)" if is_left else outcome.verdict
