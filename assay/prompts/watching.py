"""Whether a file has changed, and is whole: what keeps half-written ones from being read.

A file is read when it has lain still: nothing happened to it for a while by its own time, or
by the looks at it (clocks of file servers differ); and only if it is the same before and after
the read. So one that is rewritten in place is read when its writer has done. One that is young
is read again and again: two writes within one tick of the file system's clock look alike.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

from assay.errors import InputError

STILL_S = 0.1
TICK_S = 2.0
"""Of the coarsest clock that file systems have."""


class Mark(NamedTuple):
    """What tells one state of a file from another."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @property
    def has_lain_still(self) -> bool:
        """Whether nothing was written lately, by this machine's clock.

        An empty file's time says nothing: ext4 empties a file that is written anew some 30 ms
        before it gives it the time of that.
        """
        return self.size > 0 and self._age_s() >= STILL_S

    @property
    def is_settled(self) -> bool:
        """Whether a later write must give another mark; so, too, where clocks differ."""
        return not 0 <= self._age_s() < TICK_S

    def _age_s(self) -> float:
        return time.time() - max(self.modified_ns, self.changed_ns) / 1e9


def mark_of(path: Path) -> Mark:
    """Of the real file behind any symlink.

    Raises:
        InputError: It cannot be told.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, in every look
    except OSError as refused:
        raise _unreadable(path, refused) from None
    return Mark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_unchanged(path: Path, mark: Mark) -> bytes | None:
    """The bytes of that very state; None if it has changed meanwhile.

    Raises:
        InputError: It cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as refused:
        raise _unreadable(path, refused) from None
    return raw if mark_of(path) == mark and len(raw) == mark.size else None


def _unreadable(path: Path, refused: OSError) -> InputError:
    return InputError(f"cannot be read: {refused.strerror}", path=path)
