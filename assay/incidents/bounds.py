"""What a golden task allows: what the good version uses on runs like it, and a quarter more.

A bound is 1.25 times the 99th percentile of at least 20 runs: so much more than what is usual
that a good run hardly ever breaks it, and the trial that follows shows on the task itself
whether it does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from assay.incidents.similar import MIN_RUNS, Similar

MARGIN = 1.25
QUANTILE = 0.99
OF_BOUND = {
    "max_tokens": "total_tokens",
    "max_tool_calls": "tool_calls",
    "max_seconds": "latency_s",
}
"""Bound -> the column that it is about."""
USUAL = ("max_tokens", "max_tool_calls")
"""Bounds that are derived unless somebody says otherwise; time depends on the machine."""


@dataclass(slots=True)
class Bounds:
    """Bounds of a golden task, and what is to be said of them."""

    values: dict[str, float] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def bounds_of(similar: Similar | None, asked: Mapping[str, float | None]) -> Bounds:
    """The bounds of a task.

    Args:
        similar: Runs to derive them from.
        asked: Bound -> its value, or NaN to derive it, or None for no such bound.
    """
    bounds = Bounds()
    for name in dict.fromkeys([*USUAL, *asked]):
        value = asked.get(name, math.nan)
        if value is None:
            continue
        if not math.isnan(value):
            bounds.values[name] = value
            bounds.words.append(f"{name} {value:,g}: as given")
            continue
        _derive(bounds, name, similar)
    return bounds


def _derive(bounds: Bounds, name: str, similar: Similar | None) -> None:
    values = similar.known(OF_BOUND[name]) if similar else np.empty(0)
    if similar is None or values.size < MIN_RUNS:
        bounds.words.append(f"{name}: no bound, for fewer than {MIN_RUNS} runs say what is usual")
        return
    usual = float(np.quantile(values, QUANTILE))
    bound = bounds.values[name] = _rounded_up(MARGIN * usual, name)
    said = f"{name} {_shown(bound)}: {MARGIN:g} x the p99, {_shown(usual)}, of {similar.what}"
    bounds.words.append(said)


def _rounded_up(value: float, name: str) -> float:
    """To two digits; tool calls are counted, and seconds are told in tenths at the finest."""
    if name == "max_tool_calls":
        return float(math.ceil(value))
    finest = -1 if name == "max_seconds" else 0
    digits = max(math.floor(math.log10(max(value, 1.0))) - 1, finest)
    return float(round(max(math.ceil(value / 10**digits), 1) * 10**digits, 1))


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value.is_integer() else f"{value:,.2g}"
