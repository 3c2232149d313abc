"""`assay canary stop`: answer no request with the canary any more, at once.

Like a rollback it imports the switch and nothing else.
"""

import argparse
import sys
from datetime import UTC, datetime

from assay.canary.switching import CanarySwitch, stop_canary
from assay.history import CANARY_STOP, Cause, whoami


def stop(arguments: argparse.Namespace) -> int:
    """End the canary; a second call changes nothing."""
    reason = arguments.reason or "assay canary stop"
    cause = Cause(action=CANARY_STOP, who=whoami(), at=datetime.now(UTC), reason=reason)
    say(stop_canary(arguments.config, cause=cause))
    return 0


def say(done: CanarySwitch) -> None:
    """What a start or a stop did, and what somebody should see to."""
    if done.output:
        print(done.output, file=sys.stderr)
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{done.before} -> {done.after}" if done.changed else f"nothing to change: {done.after}")
