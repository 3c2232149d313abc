"""`assay rollback`: go back at once.

It imports the switch and nothing else, so that a broken golden task, a missing results
folder or a fault anywhere else in Assay cannot stand in its way at 3 a.m.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from assay import live
from assay.errors import AssayError
from assay.history import Entry, whoami


def rollback(arguments: argparse.Namespace) -> int:
    """Make `prompts.rollback` active; a second call changes nothing."""
    done = live.rollback(
        arguments.config,
        reason=arguments.reason or "assay rollback",
        who=whoami(),
        now=datetime.now(UTC),
    )
    say(done, "rollback", arguments.config)
    return 0


def say(done: live.Switch, alert: Literal["rollback", "switch"], config: Path) -> None:
    """What a switch did, and what somebody should see to; then those are told who want to be."""
    if done.output:
        print(done.output, file=sys.stderr)
    for warning in done.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if done.changed:
        print(f"active: {done.before.active} -> {done.after.active}")
        print(f"rollback: {done.before.rollback} -> {done.after.rollback}")
    else:
        print(f"nothing to change: {done.after}")
    if done.changed and done.entry is not None:
        sys.stdout.flush()
        _tell(done.entry, alert, config)


def _tell(entry: Entry, alert: Literal["rollback", "switch"], config: Path) -> None:
    """The switch is made: whatever fails here is a warning.

    A file without the word has no receivers, and nothing that could be broken is imported.
    """
    try:
        if b"alerts:" not in config.read_bytes():
            return
        from assay.commands.telling import tell_of_switch
        from assay.receivers import AlertKind

        tell_of_switch(entry, AlertKind(alert), config)
    except AssayError as wrong:  # the config is broken elsewhere, at 3 a.m.
        print(f"warning: nobody was told of it: {wrong}", file=sys.stderr)
    except Exception as bug:  # noqa: BLE001 - nor may anything else look like a failed rollback
        print(f"warning: nobody was told of it: {type(bug).__name__}", file=sys.stderr)
