"""What is above a limit: a day's spend, an hour's tool calls, an hour's tokens per run.

Looked at are the day and hour now and those of an hour ago: what came late still counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from assay.monitor_section import MonitorSection
from assay.monitors.figures import DAY, HOUR, WEEK, PromptHour, day_of, hour_of, total, within
from assay.monitors.spikes import HourOfTokens, Spike, spike
from assay.receivers import AlertKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that a day or an hour is above."""

    kind: AlertKind
    at: datetime
    """When its day or hour began."""
    value: float
    limit: float
    words: str
    prompt_id: str | None = None
    lasts: timedelta
    """How long a day or hour of it is; one that follows on another is the same breach."""
    usual: float | None = None
    """Of a spike."""

    @property
    def key(self) -> str:
        """What breaches that follow on each other have alike."""
        return f"{self.kind}:{self.prompt_id}" if self.prompt_id else str(self.kind)


def breaches(
    hours: Sequence[PromptHour], limits: MonitorSection, *, spikes: bool, now: datetime
) -> list[Breach]:
    """Everything that is above its limit, the older first.

    Args:
        hours: All that are kept.
        limits: Those of the configuration.
        spikes: Whether tokens per run are watched.
        now: With a time zone.
    """
    moments = (now - HOUR, now)
    found: list[Breach] = []
    if (most := limits.max_spend_usd_per_day) is not None:
        for day in sorted({day_of(each) for each in moments}):
            found += _spend(hours, day, most)
    for hour in sorted({hour_of(each) for each in moments}):
        if limits.max_actions_per_hour is not None:
            found += _actions(hours, hour, limits.max_actions_per_hour)
        if spikes:
            found += _spikes(hours, hour)
    return found


def _spend(hours: Sequence[PromptHour], day: datetime, most: float) -> Iterator[Breach]:
    spent = total(within(hours, day, DAY)).spend_usd.total
    if spent > most:
        yield Breach(
            kind=AlertKind.SPEND_LIMIT,
            at=day,
            value=spent,
            limit=most,
            words=f"${spent:,.2f} spent on {day:%Y-%m-%d}, allowed ${most:,.2f}",
            lasts=timedelta(0),  # each day has its own budget
        )


def _actions(hours: Sequence[PromptHour], hour: datetime, most: int) -> Iterator[Breach]:
    calls = total(within(hours, hour, HOUR)).tool_calls.total
    if calls > most:
        yield Breach(
            kind=AlertKind.ACTION_LIMIT,
            at=hour,
            value=calls,
            limit=most,
            words=f"{calls:,.0f} tool calls in the hour of {_shown(hour)}, allowed {most:,}",
            lasts=HOUR,
        )


def _spikes(hours: Sequence[PromptHour], hour: datetime) -> Iterator[Breach]:
    weeks: dict[str, list[HourOfTokens]] = {}
    for each in within(hours, hour - WEEK, WEEK):
        if (known := _of_tokens(each)) is not None:
            weeks.setdefault(each.prompt_id, []).append(known)
    for now in within(hours, hour, HOUR):
        last = _of_tokens(now) if now.prompt_id else None
        found = last and spike(last, weeks.get(now.prompt_id, ()))
        if found:
            yield _of_spike(found, now.prompt_id, hour)


def _of_spike(found: Spike, prompt_id: str, hour: datetime) -> Breach:
    return Breach(
        kind=AlertKind.TOKEN_SPIKE,
        at=hour,
        value=found.typical,
        limit=found.allowed,
        usual=found.usual,
        prompt_id=prompt_id,
        words=f"{prompt_id}: a typical run took {found.typical:,.0f} tokens in the hour of "
        f"{_shown(hour)}, x{found.typical / found.usual:.2f} of the week before",
        lasts=HOUR,
    )


def _of_tokens(hour: PromptHour) -> HourOfTokens | None:
    typical = hour.figures.typical_tokens
    return None if typical is None else HourOfTokens(typical, hour.figures.log_tokens.runs)


def _shown(hour: datetime) -> str:
    return f"{hour:%Y-%m-%d %H:%M} UTC"
