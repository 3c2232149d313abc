"""One look at production: read what is new in its logs, and hold it against the limits."""

import math
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assay.config import Config
from assay.errors import InputError
from assay.monitors.book import Book, discard_book, open_book
from assay.monitors.breaches import Breach, breaches
from assay.monitors.figures import PromptHour, hung, prompt_hours
from assay.monitors.following import Following, follow

DEFAULT_LOG = "logs/runs-*.jsonl"
"""Where the production client writes, if nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorLook:
    """What production used."""

    at: datetime
    hours: Sequence[PromptHour]
    """Of the last eight days, the oldest first."""
    hung: Mapping[str, int]
    """By prompt_id."""
    breaches: Sequence[Breach]
    passed_over: Mapping[str, int]
    """What of the logs was not taken, in words, and how often."""
    n_files: int
    behind_bytes: int = 0
    """Of the logs, that were not read for want of time."""


def run_logs(config: Config) -> list[Path]:
    """Production's logs, as the configuration names them.

    Raises:
        InputError: What it names is no path.
    """
    named = config.rollout.monitors.run_log or config.rollout.canary.run_log or DEFAULT_LOG
    where = Path(named)
    folder, pattern = config.folder, named
    if where.is_absolute():
        folder, pattern = Path(where.anchor), str(where.relative_to(where.anchor))
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError):
        raise InputError(
            "rollout.monitors.run_log is no path",
            path=config.path,
            mend="write a path, or one with *: logs/runs-*.jsonl",
        ) from None


def look(
    config: Config, *, now: datetime, within_s: float = math.inf, wait_s: float = 5.0
) -> MonitorLook:
    """Look once.

    Args:
        config: Of production.
        now: With a time zone.
        within_s: How long may be read; then the figures are those of what was read by then.
        wait_s: How long another look is waited for; then its figures are taken.

    Raises:
        InputError: What the configuration names is no path.
        sqlite3.OperationalError: Another look is at the digest for longer.
    """
    until = time.monotonic() + within_s
    try:
        return _look(config, now=now, until=until, wait_s=wait_s)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        discard_book(config.folder / config.results.uri)
        return _look(config, now=now, until=until, wait_s=wait_s)


def _look(config: Config, *, now: datetime, until: float, wait_s: float) -> MonitorLook:
    paths, columns = run_logs(config), config.rollout.canary.columns
    with open_book(config.folder / config.results.uri, wait_s=wait_s) as book:
        behind = follow(Following(book=book, now=now, columns=columns, until=until), paths)
        return _figures(config, book, now=now, n_files=len(paths), behind=behind)


def _figures(
    config: Config, book: Book, *, now: datetime, n_files: int, behind: int
) -> MonitorLook:
    hours = prompt_hours(book)
    passed_over: Counter[str] = Counter()
    for place in book.places().values():
        passed_over.update(place.passed_over)
    return MonitorLook(
        at=now,
        hours=hours,
        hung=hung(book, now=now, max_seconds=config.budgets.max_seconds),
        breaches=breaches(
            hours,
            config.rollout.monitors,
            spikes=config.observability.alert_on_token_spike,
            now=now,
        ),
        passed_over={what: count for what, count in passed_over.items() if count},
        n_files=n_files,
        behind_bytes=behind,
    )
