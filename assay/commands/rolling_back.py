"""`assay rollback`: go back at once.

It imports the switch and nothing else, so that a broken golden task, a missing results
folder or a fault anywhere else in Assay cannot stand in its way at 3 a.m.
"""

import argparse
import sys
from datetime import UTC, datetime

from assay import live
from assay.history import whoami


def rollback(arguments: argparse.Namespace) -> int:
    """Make `prompts.rollback` active; a second call changes nothing."""
    done = live.rollback(
        arguments.config,
        reason=arguments.reason or "assay rollback",
        who=whoami(),
        now=datetime.now(UTC),
    )
    say(done)
    return 0


def say(done: live.Switch) -> None:
    """What a switch did, and what somebody should see to."""
    if done.output:
        print(done.output, file=sys.stderr)
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if done.changed:
        print(f"active: {done.before.active} -> {done.after.active}")
        print(f"rollback: {done.before.rollback} -> {done.after.rollback}")
    else:
        print(f"nothing to change: {done.after}")
