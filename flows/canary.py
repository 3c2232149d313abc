"""Every few minutes: is the canary in production worse? Then it is taken back at once."""

from prefect import State, flow

from tasks.canary import look_at_canary, look_state, publish_look
from tasks.workplace import work_beside


@flow(flow_run_name="canary watch", persist_result=False)
async def canary_watch(config: str = "assay.yaml") -> State[None]:
    """Look at the canary once; on an alarm, end it and tell everybody.

    Looking more often changes no verdict. Without a canary it does nothing.

    Args:
        config: The `assay.yaml` that names the canary.
    """
    config = work_beside(config)
    found = look_at_canary(config)
    await publish_look(config, found)
    return look_state(found)
