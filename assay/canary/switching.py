"""Beginning and ending a canary in `assay.yaml`, atomically and recorded.

Only `rollout.canary.version` and `rollout.canary.share` change, and `rollout.frozen` on an alarm,
in the same replacement. It imports what a rollback
does and no more: nothing that is broken elsewhere may keep a canary in production.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.errors import CannotEvaluate, InputError, NoVerdict
from assay.freezing import with_frozen
from assay.history import (
    CANARY_ALARM,
    CANARY_START,
    CanaryChange,
    Cause,
    Entry,
    History,
)
from assay.pointers import NO_CANARY, Canary, PointerFile, Pointers, parse_pointer_file
from assay.prompts import parse_ref
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySwitch:
    """What a start or a stop did."""

    changed: bool
    before: Canary
    after: Canary
    entry: Entry | None
    """How history has it; None where there was nothing to record."""
    warnings: tuple[str, ...] = ()
    output: str = ""
    """The beginning of what `rollout.after_switch` printed."""

    def also_warning(self, warnings: Sequence[str]) -> "CanarySwitch":
        """The same, with more for somebody to see to."""
        return replace(self, warnings=(*self.warnings, *warnings))


def start_canary(path: Path, to: Canary, *, expect: Pointers | str, cause: Cause) -> CanarySwitch:
    """Answer a share of requests with a version.

    Args:
        path: The config.
        to: Which version, and how large a share.
        expect: What the config pointed at when that was decided, or the sha256 of its bytes
            then (any edit since refuses the start).
        cause: Who, when, why; of the prompts' ids it knows the canary's and the active one's.

    Raises:
        ConfigChanged: The config points elsewhere.
        NoVerdict: There is a canary already, the version is active, or `rollout.frozen` holds.
        InputError: The config cannot be read, or `rollout.canary` not be written there.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    if to.version is None or not 0 < to.share <= 1:
        raise InputError(f"{to.share:g} is no share", mend="give one above 0, such as 0.05")
    parse_ref(to.version)
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        here = file.canary
        if here == to:
            return CanarySwitch(changed=False, before=here, after=here, entry=None)
        if expect not in (file.snapshot.pointers, file.snapshot.sha256):
            raise config_changed(file, BEFORE_AN_EDIT if isinstance(expect, str) else str(expect))
        _check_free(file, here, to.version)
        check_not_frozen(file)
        done = _carry_out(file, history, to=to, cause=cause)
    return _with_aftermath(path, done)


def raise_share(path: Path, share: float, *, expect: Canary, cause: Cause) -> CanarySwitch:
    """Answer another share of requests with the canary that there is.

    Args:
        path: The config.
        share: Of requests, in (0, 1].
        expect: The canary that the config named when that was decided.
        cause: Who, when, why.

    Raises:
        NoVerdict: It names another, or none, or `rollout.frozen` holds.
        InputError: The config cannot be read, or `rollout.canary` not be written there.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        if file.canary != expect:
            raise NoVerdict(f"the config says {file.canary} by now, not {expect}")
        check_not_frozen(file)
        done = _carry_out(file, history, to=Canary(expect.version, share), cause=cause)
    return _with_aftermath(path, done)


def stop_canary(
    path: Path, *, cause: Cause, only: str | None = None, freeze: bool = False
) -> CanarySwitch:
    """Answer no request with a canary any more; done again, it changes nothing.

    Args:
        path: The config.
        cause: Who, when, why.
        only: The version to stop; another one is left alone.
        freeze: Whether to set `rollout.frozen` as well.

    Raises:
        InputError: The config cannot be read, or `rollout.canary` not be written there.
        CannotEvaluate: The config cannot be written, and is as it was.
    """
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        here = file.canary
        if here == NO_CANARY or (only is not None and here.version != only):
            return CanarySwitch(
                changed=False, before=here, after=here, entry=None, warnings=history.warnings
            )
        done = _carry_out(file, history, to=NO_CANARY, cause=cause, freeze=freeze)
    return _with_aftermath(path, done)


def record_found(path: Path, canary: Canary, *, cause: Cause) -> Sequence[Entry]:
    """Record what somebody wrote into the config by hand; the canary's course with it.

    Empty if it has gone again. Nothing is recorded that a rewriting which was killed still owes.

    Raises:
        CannotEvaluate: The history cannot be written.
    """
    with only_writer(path) as file:
        history = settle(file.real, file.says)
        if file.says.canary != canary:
            return ()
        course = course_of(canary, history.canaries)
        if stands_at(course, canary):
            return course
        before = course[-1].canary.after if course and course[-1].canary else NO_CANARY
        change = CanaryChange(before, canary)
        entry = entry_of(file, cause=cause, rewritten=file.raw, canary=change)
        try:
            write_ahead(file.real, (*history.owed, entry))
        except OSError as refused:
            raise CannotEvaluate(
                f"{file.real.parent}: the history cannot be written: {refused.strerror}",
                mend="begin the canary where it can: assay canary start",
            ) from None
        settle(file.real, file.says)
        return [*course, entry]


def stands_at(course: Sequence[Entry], canary: Canary) -> bool:
    """Whether a course led to just this version and share."""
    return bool(course) and course[-1].canary is not None and course[-1].canary.after == canary


def course_of(canary: Canary, changes: Sequence[Entry]) -> Sequence[Entry]:
    """The start of a canary and the changes of its share since, if it has not ended since."""
    for n in range(len(changes) - 1, -1, -1):
        change = changes[n].canary
        if change is None or change.after.version != canary.version:
            break
        if changes[n].cause.action == CANARY_START:
            return changes[n:]
    return ()


def taken_back(version: str, history: History) -> Entry | None:
    """The last alarm on a version that has not been made active since."""
    alarms = [
        entry
        for entry in history.canaries
        if entry.cause.action == CANARY_ALARM
        and entry.canary is not None
        and entry.canary.before.version == version
    ]
    promoted = [entry.cause.at for entry in history.entries if entry.after.active == version]
    if not alarms or any(at > alarms[-1].cause.at for at in promoted):
        return None
    return alarms[-1]


def _check_free(file: PointerFile, here: Canary, version: str) -> None:
    if here.runs:
        raise NoVerdict(f"there is a {here} already", mend="end it first: assay canary stop")
    if version == file.snapshot.pointers.active:
        raise NoVerdict(f"{version} is active: every request is answered with it")


def _carry_out(
    file: PointerFile, history: History, *, to: Canary, cause: Cause, freeze: bool = False
) -> CanarySwitch:
    rewritten, before, frozen = file.with_canary(to), file.canary, None
    if freeze:
        with contextlib.suppress(InputError):  # what cannot be frozen is ended all the same
            after = parse_pointer_file(file.path, file.real, rewritten)
            rewritten, frozen = with_frozen(after, to=True), True
    entry = entry_of(
        file,
        cause=cause,
        rewritten=rewritten,
        canary=CanaryChange(before, to),
        frozen=frozen,
    )
    warnings = carry_out(file, history, entry, rewritten).warnings
    return CanarySwitch(changed=True, before=before, after=to, entry=entry, warnings=warnings)


def _with_aftermath(path: Path, done: CanarySwitch) -> CanarySwitch:
    if done.entry is None:
        return done
    output, warnings = tell_after(
        path,
        done.entry.cause,
        before=done.before.version or "",
        after=done.after.version or "",
    )
    return replace(done, output=output, warnings=done.warnings + warnings)
