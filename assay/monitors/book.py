"""The digest of production's logs: each run of the last days once, in SQLite.

What a file held and how far it was read are written in one transaction: a kill at any time
neither loses a run nor counts it twice. Nothing in it cannot be made again from the logs, so a
book that is broken, or of another version, is begun anew.
"""

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from assay.monitors.schema import HOUR, SCHEMA, UPSERT, VERSION

FOLDER = "monitors"
"""In the results folder."""
NAME = "book.sqlite3"
KEPT = timedelta(days=8)
"""A week to compare with, and the day that is compared."""
HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A run as far as monitors go."""

    id: bytes
    ended_us: int
    """Since 1970."""
    prompt_id: str
    """Empty where the log does not say it."""
    tokens: float | None = None
    tool_calls: float | None = None
    spend_usd: float | None = None
    latency_s: float | None = None
    is_unfinished: bool = False
    """Whether it ended otherwise than by finishing."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run that began, and whose end is not known."""

    id: bytes
    started_us: int
    prompt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """How far a file was read, and how to tell it from another of its name."""

    number: int
    """That its runs bear."""
    read_to: int
    """0 for a log that is read whole."""
    size: int
    mtime_ns: int
    head: bytes
    """A hash of its first bytes."""
    passed_over: dict[str, int]


class Book:
    """The digest, open; use one for one look."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """All that is done inside is kept, or nothing."""
        self.connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def places(self) -> dict[str, FilePlace]:
        """Of every file that was read, by its device and inode: a rotated file keeps them."""
        rows = self.connection.execute(
            "select inode, number, read_to, size, mtime_ns, head, passed_over from files"
        )
        return {
            inode: FilePlace(
                number=number, read_to=read_to, size=size, mtime_ns=mtime_ns, head=head,
                passed_over=json.loads(passed_over),
            )
            for inode, number, read_to, size, mtime_ns, head, passed_over in rows
        }  # fmt: skip

    def set_place(self, inode: str, place: FilePlace) -> None:
        """Keep how far a file was read."""
        values = (
            inode, place.number, place.read_to, place.size, place.mtime_ns, place.head,
            json.dumps(place.passed_over),
        )  # fmt: skip
        self.connection.execute("insert or replace into files values (?, ?, ?, ?, ?, ?, ?)", values)

    def forget_runs(self, number: int) -> None:
        """Take out what a file held: it is read whole again."""
        self.connection.execute("delete from runs where file = ?", (number,))

    def forget_file(self, inode: str) -> None:
        """It is gone; its runs stay."""
        self.connection.execute("delete from files where inode = ?", (inode,))

    def add(self, number: int, runs: Iterable[RunEnd], starts: Iterable[RunStart] = ()) -> int:
        """Add what a file holds; of runs with one id the one that ended last counts.

        Returns:
            How many of the runs were there already.
        """
        rows = [
            (
                run.id, number, run.ended_us // HOUR_US, run.ended_us, run.prompt_id, run.tokens,
                math.log(run.tokens) if run.tokens else None, run.tool_calls, run.spend_usd,
                run.latency_s, run.is_unfinished,
            )
            for run in runs
        ]  # fmt: skip
        before = self._n_runs()
        self.connection.executemany(UPSERT, rows)
        hours = {(row[2],) for row in rows}
        self.connection.executemany("insert or ignore into stale_hours values (?)", hours)
        begun = [(start.id, start.started_us, start.prompt_id) for start in starts]
        self.connection.executemany("insert or ignore into starts values (?, ?, ?)", begun)
        return len(rows) - (self._n_runs() - before)

    def prune(self, before_us: int) -> None:
        """Let go of what is older."""
        hour = before_us // HOUR_US
        self.connection.execute("delete from runs where hour < ?", (hour,))
        self.connection.execute("delete from starts where started_us < ?", (before_us,))

    def settle(self) -> None:
        """Make the hours that were touched anew; of starts, leave those without an end."""
        hours = self.connection.execute("select hour from stale_hours").fetchall()
        self.connection.executemany("delete from hours where hour = ?", hours)
        self.connection.executemany(HOUR, hours)
        self.connection.execute("delete from stale_hours")
        self.connection.execute(
            "delete from starts where exists (select 1 from runs where runs.id = starts.id)"
        )

    def _n_runs(self) -> int:
        (row,) = self.connection.execute("select count(*) from runs")
        return int(row[0])


@contextlib.contextmanager
def open_book(results: Path, *, wait_s: float = 5.0) -> Iterator[Book]:
    """Open the digest, or begin one; in memory alone where nothing can be written.

    Args:
        results: The results folder.
        wait_s: How long another's change is waited for.

    Raises:
        sqlite3.OperationalError: Another process has kept it locked for so long.
        sqlite3.DatabaseError: It is broken, or of another version: discard it.
    """
    path = results / FOLDER / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connected(path, wait_s)
    except sqlite3.OperationalError as refused:
        if refused.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise
        connection = _in_memory()
    except OSError:
        connection = _in_memory()
    with contextlib.closing(connection):
        yield Book(connection)


def discard_book(results: Path) -> None:
    """Take away a book that is broken, or of another version."""
    for name in (NAME, f"{NAME}-wal", f"{NAME}-shm"):
        (results / FOLDER / name).unlink(missing_ok=True)


def _in_memory() -> sqlite3.Connection:
    return _new(sqlite3.connect(":memory:", isolation_level=None))


def _connected(path: Path, wait_s: float) -> sqlite3.Connection:
    """The book of this version, which is written to."""
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")  # syncs seldom, and survives a power cut
        connection.execute("pragma synchronous = normal")
        (version,) = connection.execute("pragma user_version").fetchone()
        if version == VERSION and _is_well(connection):
            return connection
        if version or connection.execute("select 1 from sqlite_master").fetchone():
            raise sqlite3.DatabaseError("another version")
        return _new(connection)
    except BaseException:
        connection.close()
        raise


def _is_well(connection: sqlite3.Connection) -> bool:
    connection.execute("begin immediate")  # raises where it cannot be written
    connection.rollback()
    return True


def _new(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.executescript(f"begin immediate; {SCHEMA} pragma user_version = {VERSION}; commit;")
    return connection
