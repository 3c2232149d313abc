"""Approving as a task: what a person asks for in Prefect's UI."""

import os
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from assay.approval import approve
from assay.canary.promoting import Begun
from assay.config import load_config
from assay.history import whoami
from assay.promotion import Consent, Promotion
from tasks.notices import warn


@task(persist_result=False, cache_policy=NO_CACHE)
def approve_evaluation(evaluation_id: str, note: str, config: str) -> Promotion | Begun:
    """Switch what the evaluation decided; its decision as it is now, and the switch.

    Raises:
        AssayError: It may not be, or cannot be, approved: the run fails and says why.
    """
    consent = Consent(who=whoami(), at=datetime.now(UTC), note=note.strip() or None)
    done = approve(load_config(Path(config), os.environ), evaluation_id, consent)
    for warning in done.switch.warnings:
        warn(warning)
    if done.switch.output:
        get_run_logger().info("rollout.after_switch: %s", done.switch.output)
    get_run_logger().info(
        "%s", "switched" if done.switch.changed else "it was done already: nothing to change"
    )
    return done
