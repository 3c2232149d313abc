"""Switch what production uses, from Prefect: go back at once."""

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from tasks.announcing import announce_rollback
from tasks.rolling_back import go_back


@flow(flow_run_name="rollback: {reason}", persist_result=False)
async def rollback(
    reason: str = "from Prefect", config: str = "assay.yaml", version: str | None = None
) -> State[None]:
    """Make `prompts.rollback` active at once. Done again, it changes nothing.

    The version that was left is not what the next rollback goes back to.

    Args:
        reason: Why, for the history.
        config: The `assay.yaml` to switch.
        version: Only if this one is active, such as the one that an alarm is about; empty
            for whichever is.
    """
    done = go_back(config, reason, version)
    await announce_rollback(done, config)
    if not done.changed:
        return Completed(name="nothing to change", message=str(done.after))
    return Completed(
        name="rolled back", message=f"active: {done.before.active} -> {done.after.active}"
    )
