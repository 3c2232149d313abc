"""Where a rollback leads: pure, from what the config says and what the history knows."""

from collections.abc import Iterable

from assay.history import ROLLBACK, Entry
from assay.pointers import Pointers


def rollback_target(pointers: Pointers, entries: tuple[Entry, ...]) -> Pointers:
    """The pointers after a rollback; `pointers` themselves when it has been done already.

    Args:
        pointers: What the config says.
        entries: The config's history, oldest first.
    """
    last = entries[-1] if entries else None
    is_done = last is not None and last.cause.action == ROLLBACK and last.after == pointers
    if is_done or pointers.active == pointers.rollback:
        return pointers
    behind = good_before(pointers.rollback, left=pointers.active, entries=entries)
    return Pointers(active=pointers.rollback, rollback=behind)


def good_before(ref: str, *, left: str, entries: Iterable[Entry]) -> str:
    """The good version that stood behind `ref`: where to go if `ref` fails as well.

    That is the rollback of the last time `ref` was active; if that one is not good, the
    one behind it, and so on; `ref` itself when there is none. A version is not good once
    it was rolled back from, until it is promoted again: the last word on it counts.

    Args:
        ref: The version that becomes active.
        left: The version that is being left, which is not good any more.
        entries: The history, oldest first.
    """
    behind: dict[str, str] = {}
    bad: set[str] = set()
    for entry in entries:
        for state in (entry.before, entry.after):
            behind[state.active] = state.rollback
        if entry.cause.action == ROLLBACK:
            bad.add(entry.before.active)
        else:
            bad.discard(entry.after.active)
    bad.add(left)
    seen = {ref}
    other = behind.get(ref, ref)
    while other in bad and other not in seen:
        seen.add(other)
        other = behind.get(other, ref)
    return ref if other in bad else other
