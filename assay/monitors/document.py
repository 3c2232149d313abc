"""A look as JSON: what `assay monitor --json` prints, one line a look. Keys are only added."""

from datetime import datetime
from typing import Any

from assay.config import Config
from assay.monitors.breaches import Breach
from assay.monitors.figures import DAY, HOUR, Figures, by_prompt, day_of, hour_of, total, within
from assay.monitors.looking import MonitorLook
from assay.monitors.told import ToldState

SCHEMA_VERSION = 1


def as_json(look: MonitorLook, config: Config, told: ToldState) -> dict[str, Any]:
    """Everything that a look found; times are UTC's, unknown is null."""
    limits, recent = config.rollout.monitors, within(look.hours, look.at - DAY, DAY)
    return {
        "schema_version": SCHEMA_VERSION,
        "at": _time(look.at),
        "active": config.prompts.active,
        "limits": {
            "max_spend_usd_per_day": limits.max_spend_usd_per_day,
            "max_actions_per_hour": limits.max_actions_per_hour,
        },
        "today": _figures(total(within(look.hours, day_of(look.at), DAY))),
        "this_hour": _figures(total(within(look.hours, hour_of(look.at), HOUR))),
        "prompts": [
            {"prompt_id": prompt_id or None, **_figures(figures)}
            for prompt_id, figures in by_prompt(recent).items()
        ],
        "hours": [
            {"at": _time(each.at), "prompt_id": each.prompt_id or None, **_figures(each.figures)}
            for each in recent
        ],
        "hung": [
            {"prompt_id": prompt_id or None, "runs": runs} for prompt_id, runs in look.hung.items()
        ],
        "breaches": [_breach(each, told) for each in look.breaches],
        "passed_over": dict(look.passed_over),
        "files": look.n_files,
        "bytes_not_read_yet": look.behind_bytes,
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "runs": figures.runs,
        "spend_usd": figures.spend_usd.total if figures.spend_usd.runs else None,
        "runs_without_spend": figures.runs - figures.spend_usd.runs,
        "tool_calls": figures.tool_calls.total if figures.tool_calls.runs else None,
        "mean_tokens": figures.tokens.mean,
        "typical_tokens": figures.typical_tokens,
        "mean_tool_calls": figures.tool_calls.mean,
        "mean_spend_usd": figures.spend_usd.mean,
        "mean_latency_s": figures.latency_s.mean,
        "unfinished": figures.unfinished,
    }


def _breach(breach: Breach, told: ToldState) -> dict[str, Any]:
    return {
        "kind": str(breach.kind),
        "prompt_id": breach.prompt_id,
        "at": _time(breach.at),
        "since": _time(told.since(breach)),
        "value": breach.value,
        "limit": breach.limit,
        "usual": breach.usual,
        "text": breach.words,
        "told": told.knows(breach),
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"
