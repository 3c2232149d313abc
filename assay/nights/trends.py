"""Figures from night to night, and whether one of them creeps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from assay.errors import NotEnoughEvidence
from assay.nights.document import Figures, Night, read_kept
from assay.stats.interval import Interval
from assay.stats.trend import growth_per_night
from assay.store.evaluations import evaluations

MAX_NIGHTS = 30
LEVEL = 0.99
"""One-sided confidence of a trend's limits: it is looked at every night."""
SECONDS_A_DAY = 86_400.0
FIGURES = {
    "mean tokens": "mean_tokens",
    "p95 tokens": "p95_tokens",
    "tool calls": "mean_tool_calls",
    "spend $": "mean_spend_usd",
    "p95 seconds": "p95_latency_s",
}
"""Name -> field of `Figures`."""


class Trend(NamedTuple):
    """How one figure of the active prompt grows a night."""

    name: str
    growth: Interval

    @property
    def is_sure(self) -> bool:
        """Whether it surely rises or falls."""
        return self.growth.lower > 1 or self.growth.upper < 1


def past_nights(results: Path, *, prompt_id: str, at_most: int = MAX_NIGHTS) -> list[Night]:
    """The last nights of an active prompt, the oldest first; damaged ones are left out."""
    found: list[Night] = []
    for folder in evaluations(results):
        if len(found) == at_most:
            break
        if (folder.header() or {}).get("kind") != "night" or not folder.decision.exists():
            continue
        try:
            night = read_kept(folder.decision.read_bytes())
        except ValidationError:
            continue
        if isinstance(night, Night) and night.active.prompt.prompt_id == prompt_id:
            found.append(night)
    return found[::-1]


def trends(nights: Sequence[Night]) -> Iterator[Trend]:
    """Every figure that is known for enough nights."""
    for name, field in FIGURES.items():
        known = [(night.at, _value(night.active, field)) for night in nights]
        points = [(at.timestamp() / SECONDS_A_DAY, value) for at, value in known if value]
        try:
            growth = growth_per_night(*zip(*points, strict=True), level=LEVEL) if points else None
        except NotEnoughEvidence:
            continue
        if growth is not None:
            yield Trend(name, growth)


def _value(figures: Figures, field: str) -> float | None:
    value: float | None = getattr(figures, field)
    return value
