"""What is live: `active` and `rollback` in `assay.yaml`, switched atomically and recorded.

    plan time     read_pointers(path)                -> pointers, sha256
    promote       switch(path, to=..., expect=...)   only if the file is still what it was
    3 a.m.        rollback(path, reason=...)         needs the config's folder, nothing else

Only the characters of the two values change; `assay.rewriting` sees to it.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assay.errors import InputError
from assay.history import ROLLBACK, Cause, Entry, History
from assay.pointers import PointerFile, Pointers, Snapshot, read_pointer_file
from assay.prompts import load_prompt, parse_ref, read_lock, verify_lock
from assay.recording import settle, write_ahead
from assay.rewriting import (
    BEFORE_AN_EDIT,
    carry_out,
    check_not_frozen,
    config_changed,
    entry_of,
    only_writer,
    tell_after,
)
from assay.way_back import rollback_target

__all__ = ["Cause", "Pointers", "Snapshot", "Switch", "read_pointers", "rollback", "switch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What a switch or a rollback did."""

    changed: bool
    """Whether this call rewrote the config."""
    before: Pointers
    after: Pointers
    entry: Entry | None
    """How history has it; None where there was nothing to record."""
    warnings: tuple[str, ...] = ()
    """What somebody should see to, though the switch itself is done."""
    output: str = ""
    """The beginning of what `rollout.after_switch` printed."""


def read_pointers(path: Path) -> Snapshot:
    """What the config at `path` points at; the rest of the file may mean nonsense.

    Raises:
        InputError: There is no such file, it is not YAML, or `prompts.active` and
            `prompts.rollback` are not two plain or quoted strings.
    """
    return read_pointer_file(path).snapshot


def switch(path: Path, *, to: Pointers, expect: Pointers | str, cause: Cause) -> Switch:
    """Make the config at `path` point at `to`, if it still is what the decision was made for.

    A config that points there already is a success: it is not written, and the history gets
    the evaluation's entry if that is missing.

    Args:
        path: The config; behind a symlink the real file is replaced.
        to: Two versions.
        expect: What the decision was made for: the sha256 of the file's bytes (any edit
            since then refuses the switch) or its pointers (only another switch does).
        cause: Who, when, why, on which evidence.

    Raises:
        ConfigChanged: The config is not what `expect` says; it is left as it is.
        NoVerdict: `rollout.frozen` holds.
        InputError: The config cannot be read, or `to` does not name two versions.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    for ref in (to.active, to.rollback):
        parse_ref(ref)
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        if file.snapshot.pointers == to:
            return _already_there(file, history, cause)
        if expect not in (file.snapshot.pointers, file.snapshot.sha256):
            was = BEFORE_AN_EDIT if isinstance(expect, str) else str(expect)
            raise config_changed(file, was)
        check_not_frozen(file)
        done = _carry_out(file, history, to=to, cause=cause)
    return _with_aftermath(path, done)


def rollback(
    path: Path, *, reason: str, who: str, now: datetime, leaving: str | None = None
) -> Switch:
    """Make `prompts.rollback` of the config at `path` active; done again, it changes nothing.

    A version whose text is gone or was changed is refused: production could not load it.

    Args:
        path: The config.
        reason: For the history.
        who: Asks for it.
        now: With a time zone.
        leaving: Only if this version is active; None for whichever is.

    Raises:
        InputError: The config cannot be read, or the version to go back to cannot be used.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    with only_writer(path) as file:
        pointers = file.snapshot.pointers
        history = settle(file.real, file.says)
        to = rollback_target(pointers, history.entries)
        if to == pointers or (leaving is not None and leaving != pointers.active):
            return Switch(
                changed=False,
                before=pointers,
                after=pointers,
                entry=None,
                warnings=history.warnings,
            )
        prompt_ids, warnings = _check_usable(file, to.active)
        cause = Cause(action=ROLLBACK, who=who, at=now, reason=reason, prompt_ids=prompt_ids)
        done = _carry_out(file, history, to=to, cause=cause)
    return _with_aftermath(path, dataclasses.replace(done, warnings=warnings + done.warnings))


def _carry_out(file: PointerFile, history: History, *, to: Pointers, cause: Cause) -> Switch:
    rewritten = file.pointing_at(to)
    entry = entry_of(file, cause=cause, rewritten=rewritten, to=to)
    after = carry_out(file, history, entry, rewritten)
    return Switch(
        changed=True,
        before=file.snapshot.pointers,
        after=to,
        entry=entry,
        warnings=after.warnings,
    )


def _with_aftermath(path: Path, done: Switch) -> Switch:
    """The switch with what the user's own command made of it."""
    if done.entry is None:
        return done
    output, warnings = tell_after(
        path, done.entry.cause, before=done.before.active, after=done.after.active
    )
    return dataclasses.replace(done, output=output, warnings=done.warnings + warnings)


def _already_there(file: PointerFile, history: History, cause: Cause) -> Switch:
    """Nothing to switch: tell how it came about, and record it if nobody has."""
    here = file.snapshot.pointers
    if cause.evaluation_id is None:
        return Switch(changed=False, before=here, after=here, entry=None, warnings=history.warnings)
    for entry in history.entries:
        if entry.after == here and entry.cause.evaluation_id == cause.evaluation_id:
            return Switch(
                changed=False,
                before=entry.before,
                after=here,
                entry=entry,
                warnings=history.warnings,
            )
    entry = entry_of(file, cause=cause, rewritten=file.raw)
    try:
        write_ahead(file.real, (*history.owed, entry))
        warnings = settle(file.real, file.says).warnings
    except OSError as refused:
        problem = f"{file.real.parent}: the history cannot be written: {refused.strerror}"
        warnings = (*history.warnings, problem)
    return Switch(changed=False, before=here, after=here, entry=entry, warnings=warnings)


def _check_usable(file: PointerFile, ref: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The prompt_id of the version to go back to, and what could not be checked about it."""
    try:
        parse_ref(ref)
        directory = file.prompts_directory
        if not directory.is_dir():
            return {}, (f"{directory}: no such folder: the text of {ref} was not checked",)
        prompt = load_prompt(directory, ref)
        found = {ref: prompt.prompt_id}
        try:
            read_lock(directory)
        except InputError as broken:
            return found, (f"{broken.problem}: {ref} was not checked against the lock",)
        verify_lock(directory, prompt)
    except InputError as unusable:
        raise InputError(
            f"cannot go back to {ref}: {unusable.problem}",
            path=file.path,
            line=file.rollback.line,
            mend="restore that file from version control, "
            "or name another version: assay promote VERSION --force --reason TEXT",
        ) from None
    return found, ()
