"""`assay freeze` and `assay unfreeze`: the kill switch, recorded.

Like a rollback they import the switch and nothing else.
"""

import argparse
import sys
from datetime import UTC, datetime

from assay.freezing import set_frozen
from assay.history import FREEZE, UNFREEZE, Cause, whoami


def freeze(arguments: argparse.Namespace) -> int:
    """Set `rollout.frozen`; a second call changes nothing."""
    return _set(True, arguments)


def unfreeze(arguments: argparse.Namespace) -> int:
    """Take it back; a second call changes nothing."""
    return _set(False, arguments)


def _set(frozen: bool, arguments: argparse.Namespace) -> int:
    cause = Cause(
        action=FREEZE if frozen else UNFREEZE,
        who=whoami(),
        at=datetime.now(UTC),
        reason=arguments.reason,
    )
    done = set_frozen(arguments.config, frozen, cause=cause)
    if done.output:
        print(done.output, file=sys.stderr)
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    said = "frozen: nothing is promoted" if frozen else "not frozen"
    print(said if done.changed else f"nothing to change: {said}")
    return 0
