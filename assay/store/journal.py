"""The journal of one evaluation: an append-only file of lines, the truth about its runs.

A line is one write at the end of the file, so a kill leaves at most one torn line, the last,
which reading drops. `committed` waits until what was appended is on disk; runs that
finish together share one fsync.
"""

import asyncio
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import jsonlines
import orjson

from assay.errors import CannotEvaluate


class Journal:
    """Appends JSON lines to `path`, which is made if it is missing; a context manager.

    One process at a time writes one journal: the evaluation's lock sees to that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path):
            if path.exists():
                os.truncate(path, _whole_size(path.read_bytes()))
            self._file = path.open("ab")
        self._writer = jsonlines.Writer(self._file, dumps=orjson.dumps, flush=True)
        self._appended = 0
        self._synced = 0
        self._syncing = asyncio.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with writing(self._path):
            try:
                os.fsync(self._file.fileno())
            finally:
                self._file.close()

    def append(self, line: dict[str, Any] | orjson.Fragment) -> None:
        """Add one line. When this returns, the line survives a kill of the process.

        Raises:
            CannotEvaluate: It cannot be written.
        """
        with writing(self._path):
            self._writer.write(line)
        self._appended += 1

    async def committed(self) -> None:
        """Return once everything appended so far survives a loss of power, too."""
        wanted = self._appended
        async with self._syncing:
            if self._synced < wanted:
                reached = self._appended
                with writing(self._path):
                    await asyncio.to_thread(os.fsync, self._file.fileno())
                self._synced = reached


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk and its like are no bugs: the block's OSError as a CannotEvaluate."""
    try:
        yield
    except OSError as refused:
        raise CannotEvaluate(
            f"{path}: cannot be written: {refused.strerror}",
            mend="mend that, then run the same command again: finished runs are kept",
        ) from refused


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal in order; a torn last line is left out.

    A missing file has no lines.

    Raises:
        jsonlines.InvalidLineError: A line in the middle is not a JSON object.
    """
    content = path.read_bytes() if path.exists() else b""
    lines = io.BytesIO(content[: _whole_size(content)])
    with jsonlines.Reader(lines, loads=orjson.loads) as reader:
        yield from reader.iter(type=dict)


def _whole_size(content: bytes) -> int:
    """How many bytes make whole lines: up to and with the last line feed."""
    return content.rfind(b"\n") + 1
