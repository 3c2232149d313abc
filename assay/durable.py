"""Writing files that survive a kill: whole or not at all, one writer at a time.

The lock is taken on the folder itself (`flock` on its descriptor): whoever may replace a
file in a folder may also lock it, no lock file is left behind or owned by somebody else,
and the kernel lets go of it when its holder dies. It holds between processes of one
machine.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from assay.errors import CannotEvaluate

_POLL_S = 0.01


@contextlib.contextmanager
def folder_lock(folder: Path, *, wait_s: float = 10.0) -> Iterator[None]:
    """Be the only writer in `folder`.

    Raises:
        CannotEvaluate: Another process has held the lock for `wait_s`, or there is no
            such folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as refused:
        raise CannotEvaluate(f"{folder}: cannot be opened: {refused.strerror}") from None
    try:
        _acquire(descriptor, folder, wait_s)
        yield
    finally:
        os.close(descriptor)  # lets go of the lock


def replace_file(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, durably; a reader sees the old or the new, whole.

    Call it under the folder's lock, with the real path: a symlink would be replaced itself.
    Mode and (where permitted) owner of an existing file are kept.

    Raises:
        OSError: It cannot be written; `path` is as it was.
    """
    # A fixed name, so that a killed writer leaves one file at most, which the next removes.
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _look_like(path, file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def append_lines(path: Path, lines: bytes) -> None:
    """Append `lines` durably; a torn last line before them stays a line of its own.

    Call it under the folder's lock.

    Raises:
        OSError: They cannot be written; a part of them may have been.
    """
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            lines = b"\n" + lines
        while lines:
            lines = lines[file.write(lines) :]
        os.fsync(descriptor)
    if is_new:
        _sync_folder(path.parent)


def _acquire(descriptor: int, folder: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise CannotEvaluate(
                    f"{folder}: another process has held its lock for {wait_s:g} s",
                    mend=f"look for a stopped one with `fuser {folder}`, and end it",
                ) from None
            time.sleep(_POLL_S)
        except OSError as refused:  # some network file systems know no locks
            raise CannotEvaluate(f"{folder}: cannot be locked: {refused.strerror}") from None
        else:
            return


def _look_like(path: Path, descriptor: int) -> None:
    """Give the open file the owner and mode of `path`, if that exists."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return
    with contextlib.suppress(PermissionError):  # only root gives files away
        os.fchown(descriptor, there.st_uid, there.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(there.st_mode))


def _sync_folder(folder: Path) -> None:
    # Some file systems cannot sync a folder; the file's name is in place all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
