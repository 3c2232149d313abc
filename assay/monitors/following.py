"""The files of a production log, read on from where the last look ended.

Our own run logs are read by the line; what was read stays, whatever becomes of the file: it may
be rotated, cut or deleted, and another of its name is another file. A log of another kind (CSV,
Parquet, other names of columns, OpenTelemetry's traces) is read whole when it changed, as the
canary's watch reads it, and counts for what it holds then.
"""

import glob
import os
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from assay.errors import AssayError
from assay.monitors.book import KEPT, Book, FilePlace, RunEnd
from assay.monitors.lines import BAD_LINE, is_ours, microseconds, read_lines, run_key
from assay.wording import one_line

CHUNK = 4 * 2**20
MAX_LINE = 4 * CHUNK
HEAD = 256
"""Bytes by which a file is known again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """One reading of what is new.

    Args:
        book: Where it goes.
        now: With a time zone.
        columns: Our column -> the log's; where there are any, no log is one of ours.
        until: On `time.monotonic`'s clock, when to stop in any case.
    """

    book: Book
    now: datetime
    columns: Mapping[str, str]
    until: float

    @property
    def since_us(self) -> int:
        """Runs of before that are not kept."""
        return microseconds(self.now - KEPT)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until


def follow(following: Following, paths: Sequence[Path]) -> int:
    """Read what is new in these files, those that were written last first.

    Returns:
        Bytes that are left for the next time.
    """
    book = following.book
    with book.change():
        book.prune(following.since_us)
        found = _by_age(paths, following.since_us)
        for gone in book.places().keys() - {_inode(stat) for _, stat in found}:
            book.forget_file(gone)
    left = 0
    for path, stat in found:
        left += _follow_file(following, path, stat)
    with book.change():
        book.settle()
    return left


def _by_age(paths: Sequence[Path], since_us: int) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:  # rotated away at this very moment
            continue
        if stat.st_mtime_ns // 1000 >= since_us and stat.st_size:
            found.append((path, stat))
    return sorted(found, key=lambda each: each[1].st_mtime_ns, reverse=True)


def _follow_file(following: Following, path: Path, stat: os.stat_result) -> int:
    """Bytes that are left of it."""
    try:
        while True:
            if following.is_over:
                return _n_left(following, stat)
            with following.book.change():
                if not _read_on(following, path, stat):
                    return 0
    except OSError:
        return 0


def _n_left(following: Following, stat: os.stat_result) -> int:
    place = following.book.places().get(_inode(stat))
    return stat.st_size - (place.read_to if place else 0)


def _read_on(following: Following, path: Path, stat: os.stat_result) -> bool:
    """Read the next part of a file; whether there may be more."""
    place = following.book.places().get(_inode(stat))
    if place is not None and _is_read(place, stat):
        return False
    with path.open("rb") as file:
        if place is None or not _is_grown(place, stat, file.fileno()):
            place = _anew(following.book, place)
        file.seek(place.read_to)
        raw = file.read(CHUNK)
        while b"\n" not in raw and len(raw) < MAX_LINE and (more := file.read(CHUNK)):
            raw += more
        whole = raw[: raw.rfind(b"\n") + 1]
        is_first = place.read_to == 0
        if is_first and (following.columns or not is_ours(raw)):
            _read_whole(following, path, stat, place)
            return False
        if not whole:
            return _pass_over_long_line(following, stat, place, raw)
        _take(following, stat, place, whole, os.pread(file.fileno(), HEAD, 0))
    return True


def _take(
    following: Following, stat: os.stat_result, place: FilePlace, whole: bytes, head: bytes
) -> None:
    """Add whole lines of our own log."""
    lines = read_lines(whole, name=str(place.number), at=place.read_to, since_us=following.since_us)
    again = following.book.add(place.number, lines.ends, lines.starts.values())
    passed_over = Counter(place.passed_over) + lines.passed_over + _counted(lines.ends, again)
    read_to = place.read_to + len(whole)
    after = replace(
        place,
        read_to=read_to,
        size=read_to,
        mtime_ns=stat.st_mtime_ns,
        head=_digest(head[:read_to]),
        passed_over=dict(passed_over),
    )
    following.book.set_place(_inode(stat), after)


def _counted(ends: Sequence[RunEnd], again: int) -> Counter[str]:
    nameless = sum(not end.prompt_id for end in ends)
    return Counter({"run without prompt_id": nameless, "line of a run that is logged again": again})


def _read_whole(following: Following, path: Path, stat: os.stat_result, place: FilePlace) -> None:
    """A log of another kind."""
    runs, passed_over = _foreign_runs(following, path)
    again = following.book.add(place.number, runs)
    counted = Counter(passed_over) + Counter({"line of a run that is logged again": again})
    whole = replace(
        place, read_to=0, size=stat.st_size, mtime_ns=stat.st_mtime_ns, passed_over=dict(counted)
    )
    following.book.set_place(_inode(stat), whole)


def _foreign_runs(following: Following, path: Path) -> tuple[list[RunEnd], Mapping[str, int]]:
    from assay.store.production_log import read_production_log  # PyArrow: not for our own logs

    since = following.now - KEPT
    try:
        log = read_production_log(
            path.parent, glob.escape(path.name), named=following.columns, since=since
        )
    except AssayError as refused:
        return [], {f"file that cannot be read ({one_line(refused.problem)})": 1}
    rows = log.runs.to_pylist()
    return [
        RunEnd(
            run_key(row["run_id"] or f"{path}\0{number}"),
            microseconds(row["ended_at"].astimezone(UTC)),
            row["prompt_id"],
            row["total_tokens"],
            row["tool_calls"],
            row["spend_usd"],
            row["latency_s"],
            row["stop_reason"] not in ("finish", None),
        )
        for number, row in enumerate(rows)
    ], log.passed_over


def _pass_over_long_line(
    following: Following, stat: os.stat_result, place: FilePlace, raw: bytes
) -> bool:
    """A line that is not whole yet is left for the next time; one without an end is not a run."""
    if len(raw) < MAX_LINE:
        return False
    passed_over = Counter(place.passed_over) + Counter({BAD_LINE: 1})
    read_to = place.read_to + len(raw)
    after = replace(place, read_to=read_to, size=read_to, passed_over=dict(passed_over))
    following.book.set_place(_inode(stat), after)
    return True


def _is_read(place: FilePlace, stat: os.stat_result) -> bool:
    """Whether nothing can be new in it."""
    return (place.size, place.mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def _is_grown(place: FilePlace, stat: os.stat_result, file: int) -> bool:
    """Whether it holds what was read of it, and may hold more."""
    if not place.read_to or stat.st_size < place.read_to:
        return False
    return _digest(os.pread(file, min(HEAD, place.read_to), 0)) == place.head


def _anew(book: Book, before: FilePlace | None) -> FilePlace:
    """The beginning of a file; of a log that is read whole, what it held before is taken out."""
    number = secrets.randbits(62)
    if before is not None and not before.read_to:
        book.forget_runs(before.number)
    return FilePlace(number=number, read_to=0, size=0, mtime_ns=0, head=b"", passed_over={})


def _inode(stat: os.stat_result) -> str:
    return f"{stat.st_dev}:{stat.st_ino}"


def _digest(head: bytes) -> bytes:
    return blake2b(head, digest_size=12).digest()
