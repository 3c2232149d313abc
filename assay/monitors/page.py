"""A look as lines of text, for a terminal: the short form is that of `assay status`."""

from collections.abc import Iterator

from assay.config import Config
from assay.monitors.figures import DAY, HOUR, Figures, by_prompt, day_of, hour_of, total, within
from assay.monitors.looking import MonitorLook
from assay.monitors.told import ToldState
from assay.wording import one_line

MAX_PROMPTS = 8
MAX_LINES = 200
"""By hour and prompt; `--json` has all."""
NAMELESS = "without prompt_id"


def status_lines(look: MonitorLook, config: Config, told: ToldState) -> Iterator[str]:
    """Today, this hour, each prompt's day, and what is wrong."""
    limits = config.rollout.monitors
    today = total(within(look.hours, day_of(look.at), DAY))
    hour = total(within(look.hours, hour_of(look.at), HOUR))
    spent = _dollars(today.spend_usd.total if today.spend_usd.runs else None)
    yield (
        f"today: {today.runs:,} runs, {spent}{_of(limits.max_spend_usd_per_day, '$')}, "
        f"{today.tool_calls.total:,.0f} tool calls"
    )
    yield (
        f"this hour: {hour.runs:,} runs, {hour.tool_calls.total:,.0f} tool calls"
        f"{_of(limits.max_actions_per_hour)}"
    )
    yield from _prompt_lines(look, config)
    yield from _notes(look, told)


def monitor_lines(look: MonitorLook, config: Config, told: ToldState) -> Iterator[str]:
    """The same, and each hour of the last day."""
    yield f"{look.at:%Y-%m-%d %H:%M} UTC, {look.n_files} files"
    yield from status_lines(look, config, told)
    hours = within(look.hours, look.at - DAY, DAY)
    if hours:
        yield "by hour"
    for each in hours[-MAX_LINES:]:
        name = one_line(each.prompt_id or NAMELESS)
        yield f"  {each.at:%d %H:%M} {name}: {_words(each.figures)}"


def _prompt_lines(look: MonitorLook, config: Config) -> Iterator[str]:
    """The last 24 hours: what is active first."""
    found = by_prompt(within(look.hours, look.at - DAY, DAY))
    active = f"{config.prompts.active}:"
    ids = sorted(found, key=lambda prompt_id: not prompt_id.startswith(active))
    for prompt_id in ids[:MAX_PROMPTS]:
        mark = " (active)" if prompt_id.startswith(active) else ""
        yield f"24 h, {one_line(prompt_id or NAMELESS)}{mark}: {_words(found[prompt_id])}"
    if len(ids) > MAX_PROMPTS:
        yield f"24 h, {len(ids) - MAX_PROMPTS} more prompts"


def _words(figures: Figures) -> str:
    per_run = [
        text
        for text, known in (
            (f"{figures.tokens.mean or 0:,.0f} tokens", figures.tokens.runs),
            (f"{figures.tool_calls.mean or 0:.1f} tool calls", figures.tool_calls.runs),
            (_dollars(figures.spend_usd.mean), figures.spend_usd.runs),
            (f"{figures.latency_s.mean or 0:.1f} s", figures.latency_s.runs),
        )
        if known
    ]
    said = f"{figures.runs:,} runs" + (f", each {', '.join(per_run)}" if per_run else "")
    return said + (f"; {figures.unfinished:,} not finished" if figures.unfinished else "")


def _notes(look: MonitorLook, told: ToldState) -> Iterator[str]:
    for breach in look.breaches:
        since = told.since(breach)
        more = f" (since {since:%Y-%m-%d %H:%M} UTC)" if since < breach.at else ""
        yield f"above: {one_line(breach.words, max_chars=200)}{more}"
    for prompt_id, runs in look.hung.items():
        yield f"hung: {runs:,} runs of {one_line(prompt_id or NAMELESS)} began and did not end"
    for what, count in look.passed_over.items():
        yield f"note: {count:,} x {what}"
    if look.behind_bytes:
        left = look.behind_bytes / 1e6
        yield f"note: {left:,.0f} MB of logs are not read yet; assay monitor --once reads all"


def _dollars(amount: float | None) -> str:
    if amount is None:
        return "spend unknown"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def _of(limit: float | None, unit: str = "") -> str:
    return "" if limit is None else f" of {unit}{limit:,g}"
