"""Every few minutes: is the canary worse? Then it is taken back; if it is no worse, it goes on."""

from prefect import State, flow

from tasks.announcing import tell_of_failure
from tasks.canary import look_at_canary, look_state, publish_look
from tasks.workplace import work_beside


@flow(
    flow_run_name="canary watch",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
async def canary_watch(config: str = "assay.yaml") -> State[None]:
    """Look at the canary once; on an alarm, end it, freeze production and tell everybody.

    Once it has shown itself no worse its share is raised, and after the last step it is made
    active (`rollout.canary.steps`). Looking more often changes no verdict. Without a canary it
    does nothing.

    Args:
        config: The `assay.yaml` that names the canary.
    """
    config = work_beside(config).config
    found = look_at_canary(config)
    await publish_look(config, found)
    return look_state(found)
