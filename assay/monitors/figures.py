"""The digest in figures: by hour and prompt, by prompt, by day. Hours and days are UTC's."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from assay.monitors.book import Book
from assay.monitors.lines import EPOCH, microseconds

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Sum:
    """A total, and of how many runs it is known."""

    total: float
    runs: int

    @property
    def mean(self) -> float | None:
        """Per run; None where it is known of none."""
        return self.total / self.runs if self.runs else None

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.total + other.total, self.runs + other.runs)


NOTHING = Sum(0.0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What some runs used."""

    runs: int = 0
    tokens: Sum = NOTHING
    log_tokens: Sum = NOTHING
    tool_calls: Sum = NOTHING
    spend_usd: Sum = NOTHING
    latency_s: Sum = NOTHING
    unfinished: int = 0
    """Runs that ended otherwise than by finishing."""

    @property
    def typical_tokens(self) -> float | None:
        """The geometric mean per run."""
        mean = self.log_tokens.mean
        return None if mean is None else math.exp(mean)

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            runs=self.runs + other.runs,
            tokens=self.tokens + other.tokens,
            log_tokens=self.log_tokens + other.log_tokens,
            tool_calls=self.tool_calls + other.tool_calls,
            spend_usd=self.spend_usd + other.spend_usd,
            latency_s=self.latency_s + other.latency_s,
            unfinished=self.unfinished + other.unfinished,
        )


@dataclass(frozen=True, slots=True)
class PromptHour:
    """One hour of one prompt."""

    at: datetime
    prompt_id: str
    """Empty for runs that do not say it."""
    figures: Figures


def prompt_hours(book: Book) -> list[PromptHour]:
    """Every hour that is kept, the oldest first."""
    rows = book.connection.execute("select * from hours order by hour, prompt_id")
    return [_prompt_hour(row) for row in rows]


def _prompt_hour(row: Sequence[float | int | str]) -> PromptHour:
    hour, prompt_id, runs, *pairs, unfinished = row
    tokens, log_tokens, tool_calls, spend_usd, latency_s = (
        Sum(float(total or 0.0), int(n)) for n, total in zip(pairs[::2], pairs[1::2], strict=True)
    )
    figures = Figures(
        runs=int(runs),
        tokens=tokens,
        log_tokens=log_tokens,
        tool_calls=tool_calls,
        spend_usd=spend_usd,
        latency_s=latency_s,
        unfinished=int(unfinished),
    )
    return PromptHour(EPOCH + int(hour) * HOUR, str(prompt_id), figures)


def total(hours: Iterable[PromptHour]) -> Figures:
    """Of all of them."""
    return sum((each.figures for each in hours), Figures())


def by_prompt(hours: Iterable[PromptHour]) -> dict[str, Figures]:
    """Of each prompt, the one with the most runs first."""
    found: dict[str, Figures] = {}
    for each in hours:
        found[each.prompt_id] = found.get(each.prompt_id, Figures()) + each.figures
    return dict(sorted(found.items(), key=lambda item: -item[1].runs))


def within(hours: Iterable[PromptHour], start: datetime, span: timedelta) -> list[PromptHour]:
    """Those that began in a span of time; a clock that runs ahead is in none of the past."""
    return [each for each in hours if start <= each.at < start + span]


def hour_of(at: datetime) -> datetime:
    """When its hour began, in UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """When its day began, in UTC."""
    return hour_of(at).replace(hour=0)


def hung(book: Book, *, now: datetime, max_seconds: float) -> dict[str, int]:
    """By prompt_id, the runs of the last day that should have ended and are not known to have.

    Args:
        book: With what the logs hold.
        now: With a time zone.
        max_seconds: That a run may take; twice that is waited.
    """
    rows = book.connection.execute(
        "select prompt_id, count(*) from starts where started_us between ? and ? "
        "group by prompt_id order by prompt_id",
        (
            microseconds(now - DAY),
            microseconds(now - timedelta(seconds=2 * max_seconds)),
        ),
    )
    return dict(rows.fetchall())
