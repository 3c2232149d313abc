"""`assay freeze | unfreeze`: production keeps to the last good version, and no longer.

Like `assay rollback` it imports the switch and nothing else.
"""

import argparse
import sys
from datetime import UTC, datetime

from assay.errors import InputError
from assay.freezing import freeze as write_frozen
from assay.history import FREEZE, UNFREEZE, Cause, whoami


def freeze(arguments: argparse.Namespace) -> int:
    """Throw the kill switch; a second call changes nothing."""
    return _write(arguments, to=True)


def unfreeze(arguments: argparse.Namespace) -> int:
    """Take it back, which needs a reason: somebody had one to throw it."""
    if not arguments.reason:
        raise InputError("unfreeze needs a reason", mend="add --reason 'what was mended'")
    return _write(arguments, to=False)


def _write(arguments: argparse.Namespace, *, to: bool) -> int:
    action = FREEZE if to else UNFREEZE
    reason = arguments.reason or "assay freeze"
    cause = Cause(action=action, who=whoami(), at=datetime.now(UTC), reason=reason)
    done = write_frozen(arguments.config, to, cause=cause)
    if done.output:
        print(done.output, file=sys.stderr)
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    now = f"rollout.frozen: {str(to).lower()}"
    print(now if done.changed else f"nothing to change: {now}")
    return 0
