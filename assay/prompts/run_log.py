"""Production's run log: JSON lines that a crash, a full disk or a second process cannot spoil.

Each process writes files of its own, `runs-TIME-PID-RANDOM.jsonl`, each line whole in one
append: no lock, no line of two writers mixed, and a line that a kill tore is the last of its
file. A file that has grown large is left, and a new one begun; nothing is renamed or deleted
here. What cannot be written is counted and said once: the agent goes on.
"""

import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.prompts.complaints import Complaints
from assay.prompts.forks import after_fork

MAX_BYTES = 64 * 2**20
"""Of a file; then a new one is begun."""


class RunLog:
    """Appends lines to a folder's log; for all threads of a process, and its forks.

    Args:
        folder: Made when the first line is written.
        on_error: Told once of what cannot be written.
        max_bytes: Of a file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        on_error: Callable[[Exception], object] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.lost = 0
        """Lines that could not be written."""
        self._folder, self._max_bytes = folder, max_bytes
        self._complaints = Complaints(on_error)
        self._lock = threading.RLock()  # a signal may come in the middle of a line
        self._file: int | None = None
        self._size = 0
        self._is_torn = False
        after_fork(self._leave_to_parent)

    @property
    def error(self) -> Exception | None:
        """Why the last line was not written; None if it was."""
        return self._complaints.error

    def append(self, fields: Mapping[str, Any]) -> None:
        """Write one line; never raises."""
        try:
            line = json.dumps(fields, allow_nan=False, separators=(",", ":")).encode() + b"\n"
            with self._lock:
                self._write(line)
        except Exception as refused:  # noqa: BLE001 - an agent must not fail for its log
            self.lost += 1
            self._complaints.hear(refused)
        else:
            self._complaints.mend()

    def _write(self, line: bytes) -> None:
        file = self._file_for(len(line))
        if self._is_torn:  # the disk was full in the middle of a line
            line = b"\n" + line
        written = os.write(file, line)
        self._size += written
        self._is_torn = written < len(line)
        if self._is_torn:
            raise OSError(f"{self._folder}: only a part of a line was written: is the disk full?")

    def _file_for(self, n_bytes: int) -> int:
        is_full = self._size > 0 and self._size + n_bytes > self._max_bytes
        if self._file is None or is_full or os.fstat(self._file).st_nlink == 0:  # deleted
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            at = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            name = f"runs-{at}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(self._folder / name, flags, 0o640)
        return self._file

    def close(self) -> None:
        """Close the file; a further line opens a new one."""
        file, self._file, self._size, self._is_torn = self._file, None, 0, False
        if file is not None:
            os.close(file)

    def _leave_to_parent(self) -> None:
        """In a forked child: the open file goes on being the parent's alone."""
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self.close()
