"""A look at the canary as a task, and telling of it in Prefect and to everybody."""

import os
from datetime import UTC, datetime
from pathlib import Path

from prefect import State, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed

from assay.canary.alarm import alert_of
from assay.canary.governed import tell_governor
from assay.canary.looking import Look, look, mark_told
from assay.canary.page import canary_markdown
from assay.config import load_config
from assay.errors import AssayError
from assay.history import whoami
from tasks.alerting import raise_alert
from tasks.events import emit_switch
from tasks.notices import warn
from tasks.progress import tell
from tasks.states import MAX_MESSAGE_CHARS


@task(persist_result=False, cache_policy=NO_CACHE)
def look_at_canary(config: str) -> Look:
    """Read the logs, judge; end the canary, raise its share or make it active where that is due.

    Raises:
        AssayError: It cannot be watched: the run fails and says why.
    """
    loaded = load_config(Path(config), os.environ)
    found = look(loaded, who=whoami(), now=datetime.now(UTC))
    governor = tell_governor(loaded, found, os.environ)
    for warning in (*found.warnings, *governor.warnings):
        warn(warning)
    for line in governor.lines:
        get_run_logger().info("%s", line)
    for output in found.acted.outputs:
        get_run_logger().info("rollout.after_switch: %s", output)
    return found


async def publish_look(config: str, found: Look) -> None:
    """Show a look with the flow run, and tell of an alarm; nothing where there is no canary."""
    if found.state is None:
        return
    if found.switched is not None:
        emit_switch(found.switched)
    if found.must_tell:
        loaded = load_config(Path(config), os.environ)
        await raise_alert(alert_of(found), loaded)
        try:
            mark_told(loaded, found.state)
        except (OSError, AssayError) as refused:
            warn(f"it will be told again: {refused}")
    page = canary_markdown(found.state)
    await tell(acreate_markdown_artifact(page, key="canary", description="Canary"))


def look_state(found: Look) -> State[None]:
    """Completed, named after what was found."""
    name = found.outcome.value
    return Completed(
        name=f"{name} (not ended)" if found.is_left else name,
        message=found.reason[:MAX_MESSAGE_CHARS],
    )
