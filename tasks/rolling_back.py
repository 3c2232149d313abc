"""Going back, as a Prefect task. Light on purpose: nothing of an evaluation is imported."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay import live
from assay.history import whoami


@task(persist_result=False, cache_policy=NO_CACHE)
def go_back(config: str, reason: str, version: str | None) -> live.Switch:
    """What `assay rollback` does, if `version` is active or none is named."""
    now = live.read_pointers(Path(config)).pointers
    if version and now.active != version:
        return live.Switch(changed=False, before=now, after=now, entry=None)
    done = live.rollback(Path(config), reason=reason, who=whoami(), now=datetime.now(UTC))
    for warning in done.warnings:
        get_run_logger().warning("%s", warning)
    return done
