"""Approve an evaluation's promote: the button in Prefect's UI for what `assay approve` does."""

from prefect import State, flow

from assay.decision import Outcome
from tasks.announcing import announce_approval
from tasks.approving import approve_evaluation
from tasks.artifacts import show_outcome
from tasks.states import named_state


@flow(flow_run_name="approve {evaluation_id}", persist_result=False)
async def promote(evaluation_id: str, note: str = "", config: str = "assay.yaml") -> State[Outcome]:
    """Make an evaluation's candidate active, if all is still as it was decided for.

    Refused, as a failed run that says why, when the verdict is not promote, another prompt
    is active, a text or the config was edited since, or the deadline has passed. Run again,
    it changes nothing.

    Args:
        evaluation_id: Which evaluation, such as `20261123-205630-3f9a1c`; `assay status` and
            the run list show those that await approval.
        note: Why you approve, and who you are: it goes into `history.jsonl`.
        config: The `assay.yaml` to switch.
    """
    approved = approve_evaluation(evaluation_id, note, config)
    await show_outcome(approved.decision)
    await announce_approval(approved, config)
    return named_state(approved.decision)
