"""`assay history --at TIME`: what was in production then."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from assay.chain import verify
from assay.commands.reading import one_line
from assay.config import load_config
from assay.errors import AssayError, InputError, NoVerdict
from assay.history import Cause, History, history_path, read_bytes, read_history
from assay.in_force import InForce, in_force
from assay.pointers import read_pointer_file
from assay.prompts import read_lock


def what_was(arguments: argparse.Namespace) -> int:
    """What was in production at a time."""
    at, now = _time(arguments.at), datetime.now(UTC)
    if at > now:
        raise InputError(f"{at.isoformat()} is not yet", mend="give a time that has passed")
    says = read_pointer_file(arguments.config).says
    here = says.pointers
    known = read_history(arguments.config)
    for warning in known.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    found = in_force(known, at)
    if found is None:
        raise NoVerdict(
            "the history knows nothing: nothing was ever switched",
            mend=f"git log -p -- {arguments.config.name}; now it says {here}",
        )
    if found.prompt_id is None:
        found = dataclasses.replace(found, prompt_id=_locked(arguments.config, found))
    last = known.entries[-1] if known.entries else None
    notes = list(found.edited_by_hand)
    if last is not None and last.cause is found.by and last.after != here:
        notes.append(f"edited by hand since: now it says {here}")
    if says.frozen is not None and says.frozen is not known.is_frozen:
        now_says = f"rollout.frozen: {str(says.frozen).lower()}"
        notes.append(f"{now_says} was written by hand, nobody knows when")
    if verify(read_bytes(history_path(arguments.config))).findings:
        notes.append("the history's chain is broken: assay history verify")
    if arguments.json:
        print(json.dumps(_in_force_json(found, notes), indent=2))
    else:
        for line in _in_force_page(found, notes, known):
            print(one_line(line))
    return 0


def _in_force_page(found: InForce, notes: list[str], known: History) -> Iterator[str]:
    yield f"at {found.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f"active:   {found.pointers.active} ({found.prompt_id or 'prompt_id not known'})"
    yield f"rollback: {found.pointers.rollback}"
    if found.by is not None:
        yield f"since:    {_by(found.by)}"
    else:
        first = known.all[0].cause.at
        yield f"since:    before {first:%Y-%m-%d %H:%M:%S} UTC, the first line of the history"
    id_of_canary = f" ({found.canary_prompt_id})" if found.canary.runs else ""
    yield f"canary:   {found.canary}{id_of_canary}"
    if found.canary_by is not None:
        yield f"since:    {_by(found.canary_by)}"
    if found.frozen_by is not None:
        yield f"frozen:   since {_by(found.frozen_by)}"
    yield from (f"note:     {note}" for note in notes)


def _by(cause: Cause) -> str:
    evidence = "without evidence"
    if cause.evidence_sha256:
        what = f"evaluation {cause.evaluation_id}, " if cause.evaluation_id else ""
        evidence = f"on {what}sha256 {cause.evidence_sha256}"
    passed_over = f", overriding {', '.join(cause.overrides)}" if cause.overrides else ""
    approved = f", approved by {cause.approved_by}" if cause.approved_by else ""
    when = f"{cause.at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{when}, {cause.action} by {cause.who}{approved}{passed_over}, {evidence}: {cause.reason}"
    )


def _in_force_json(found: InForce, notes: list[str]) -> dict[str, object]:
    return {
        "schema_version": 1,
        "at": found.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "active": found.pointers.active,
        "rollback": found.pointers.rollback,
        "prompt_id": found.prompt_id,
        "since": _cause_json(found.by),
        "canary": {**found.canary._asdict(), "prompt_id": found.canary_prompt_id}
        if found.canary.runs
        else None,
        "canary_since": _cause_json(found.canary_by),
        "frozen": found.frozen,
        "frozen_since": _cause_json(found.frozen_by),
        "notes": notes,
    }


def _cause_json(cause: Cause | None) -> dict[str, object] | None:
    if cause is None:
        return None
    return {
        "at": cause.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "action": cause.action,
        "who": cause.who,
        "reason": cause.reason,
        "evaluation_id": cause.evaluation_id,
        "evidence_sha256": cause.evidence_sha256,
        "approved_by": cause.approved_by,
        "overrides": list(cause.overrides),
    }


def _locked(config: Path, found: InForce) -> str | None:
    """The prompt_id as the lock has it: a version's text never changes."""
    try:
        whole = load_config(config, os.environ)
        locked = read_lock(whole.folder / whole.prompts.directory).get(found.pointers.active)
    except AssayError:  # the history answers without the rest of the config
        return None
    return locked.prompt_id if locked else None


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            f"--at {one_line(text)[:60]!r} is no time",
            mend="write it as 2026-11-20T10:00, in local time, or with a zone: ...T10:00Z",
        ) from None
    try:
        return at.astimezone()  # local time, where no zone is said
    except (OverflowError, ValueError, OSError):
        raise InputError(f"--at {at.isoformat()} is out of range") from None
