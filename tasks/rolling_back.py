"""Going back, as a Prefect task. Light on purpose: nothing of an evaluation is imported."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay import live
from assay.history import whoami


@task(persist_result=False, cache_policy=NO_CACHE)
def go_back(config: str, reason: str) -> live.Switch:
    """What `assay rollback` does; a second call changes nothing."""
    done = live.rollback(Path(config), reason=reason, who=whoami(), now=datetime.now(UTC))
    for warning in done.warnings:
        get_run_logger().warning("%s", warning)
    return done
