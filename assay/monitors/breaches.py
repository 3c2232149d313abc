"""What is above a limit: a day's spend, an hour's tool calls, an hour's tokens per run.

Looked at are the day and hour now and those of an hour ago: what came late still counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from assay.monitor_section import MonitorSection
from assay.monitors.figures import HOUR, WEEK, PromptHour, day_of, hour_of, total
from assay.monitors.spikes import HourOfTokens, spike
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
    spent = total(each for each in hours if day_of(each.at) == day).spend_usd.total
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
    calls = total(each for each in hours if each.at == hour).tool_calls.total
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
    for now in (each for each in hours if each.at == hour and each.prompt_id):
        week = [
            each for each in hours if each.prompt_id == now.prompt_id and _is_in(each, hour, WEEK)
        ]
        known = [_of_tokens(each) for each in (*week, now)]
        last = known.pop()
        found = last and spike(last, [each for each in known if each])
        if found:
            rise = found.typical / found.usual
            yield Breach(
                kind=AlertKind.TOKEN_SPIKE,
                at=hour,
                value=found.typical,
                limit=found.allowed,
                usual=found.usual,
                prompt_id=now.prompt_id,
                words=f"{now.prompt_id}: a typical run took {found.typical:,.0f} tokens in the "
                f"hour of {_shown(hour)}, x{rise:.2f} of the week before",
                lasts=HOUR,
            )


def _is_in(each: PromptHour, before: datetime, span: timedelta) -> bool:
    return before - span <= each.at < before


def _of_tokens(hour: PromptHour) -> HourOfTokens | None:
    typical = hour.figures.typical_tokens
    return None if typical is None else HourOfTokens(typical, hour.figures.log_tokens.runs)


def _shown(hour: datetime) -> str:
    return f"{hour:%Y-%m-%d %H:%M} UTC"
