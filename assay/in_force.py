"""What was in production at a time: pure, from what the history knows.

A switch is known by its line. What somebody wrote into the config by hand is seen only by the
next line, whose `from` is not what the line before left: between the two nobody knows when.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from assay.history import Cause, Entry, History
from assay.pointers import NO_CANARY, Canary, Pointers


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What production used at a time."""

    at: datetime
    pointers: Pointers
    prompt_id: str | None
    """Of what was active; None where no line names it."""
    by: Cause | None
    """What made it so; None before the first line."""
    canary: Canary
    canary_by: Cause | None
    canary_prompt_id: str | None
    frozen: bool
    frozen_by: Cause | None
    edited_by_hand: tuple[str, ...]
    """What the next lines found otherwise than the last had left it."""


def in_force(history: History, at: datetime) -> InForce | None:
    """What was in force at a time; None of a history that knows nothing.

    Args:
        history: Of one config.
        at: With a time zone.
    """
    if not history.all:
        return None
    switch, next_switch = _around(history.entries, at)
    change, next_change = _around(history.canaries, at)
    freeze, _ = _around([each for each in history.all if each.frozen is not None], at)
    pointers = _pointers(history, switch, next_switch)
    canary = change.canary.after if change and change.canary else _canary_before(next_change)
    return InForce(
        at=at,
        pointers=pointers,
        prompt_id=_prompt_id_of(pointers.active, history.all),
        by=switch.cause if switch else None,
        canary=canary,
        canary_by=change.cause if change and canary.runs else None,
        canary_prompt_id=_prompt_id_of(canary.version, history.all)
        if canary.runs and canary.version
        else None,
        frozen=bool(freeze and freeze.frozen),
        frozen_by=freeze.cause if freeze and freeze.frozen else None,
        edited_by_hand=tuple(_by_hand(switch, next_switch, change, next_change)),
    )


def _prompt_id_of(ref: str, entries: Iterable[Entry]) -> str | None:
    """Which text a version stands for, as the first line that names it has it."""
    return next((e.cause.prompt_ids[ref] for e in entries if ref in e.cause.prompt_ids), None)


def _around(entries: Sequence[Entry], at: datetime) -> tuple[Entry | None, Entry | None]:
    """The last entry up to a time, in the order of the file, and the one after it."""
    last = max((n for n, entry in enumerate(entries) if entry.cause.at <= at), default=-1)
    following = entries[last + 1] if last + 1 < len(entries) else None
    return (entries[last] if last >= 0 else None), following


def _pointers(history: History, switch: Entry | None, following: Entry | None) -> Pointers:
    if switch is not None:
        return switch.after
    return (following or history.all[0]).before


def _canary_before(following: Entry | None) -> Canary:
    return following.canary.before if following and following.canary else NO_CANARY


def _by_hand(
    switch: Entry | None,
    next_switch: Entry | None,
    change: Entry | None,
    next_change: Entry | None,
) -> Iterable[str]:
    if switch and next_switch and switch.after != next_switch.before:
        yield _found(next_switch, str(next_switch.before))
    if not (change and change.canary and next_change and next_change.canary):
        return
    if change.canary.after != next_change.canary.before:
        yield _found(next_change, str(next_change.canary.before))


def _found(entry: Entry, what: str) -> str:
    return f"edited by hand before {entry.cause.at:%Y-%m-%d %H:%M:%S} UTC, when it said: {what}"
