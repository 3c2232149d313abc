"""What changed, how much of it which part made, and whether the data can tell at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from assay.errors import NotEnoughEvidence
from assay.explain.cells import MIN_CELL_RUNS, Cells, cells_of
from assay.explain.decomposition import (
    DRAWS,
    MIX,
    Change,
    Part,
    Runs,
    change_of_mean,
    change_of_p95,
)
from assay.explain.paths import Factor
from assay.explain.sides import Sides
from assay.stats.samples import Floats
from assay.wording import one_line

ERROR = 0.05
"""That any of the intervals on the page misses."""
SEED = 20_261_120
METRICS = ("p95 tokens", "mean tokens", "tool calls", "spend")
COLUMN = {
    "p95 tokens": "total_tokens",
    "mean tokens": "total_tokens",
    "tool calls": "tool_calls",
    "spend": "spend_usd",
}
MAX_SHOWN_CHARS = 40


class What(StrEnum):
    """What a part is put down to."""

    PROMPT = "prompt"
    MIX = MIX
    ENVIRONMENT = "model or tools"
    OTHER = "not recorded"
    """It changed with time, under one prompt, model and mix."""
    UNTOLD = "cannot be told apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Before, after, and why."""

    cells: Cells
    changes: Mapping[str, Change]
    """Of `METRICS`, those that are known."""
    parts: Mapping[Part, What]
    shown: frozenset[What]
    """Parts of which both values ran in the same period."""
    cannot_tell: tuple[str, ...]
    """Why the data do not say what it was; empty where they do."""
    notes: tuple[str, ...]
    level: float
    """Two-sided, of each interval."""
    seed: int = SEED
    draws: int = DRAWS

    def clear(self, what: What) -> dict[str, float]:
        """The metrics of which this part is surely not zero, and how much of them it made."""
        return {
            metric: share.estimate
            for metric, change in self.changes.items()
            for part, share in change.parts.items()
            if self.parts[part] is what and share.is_clear
        }

    @property
    def blamed(self) -> tuple[What, ...]:
        """What surely made a part of some change; nothing where the data cannot tell."""
        return () if self.cannot_tell else tuple(each for each in What if self.clear(each))


def explain(runs: pa.Table, sides: Sides, *, seed: int = SEED) -> Explanation:
    """Explain the change between two sides of a traffic log's runs.

    Raises:
        NotEnoughEvidence: A side has too few runs, or no metric.
        NoVerdict: The sides cannot be compared.
    """
    cells = cells_of(runs, sides)
    known, notes = _known(runs, cells)
    if not known:
        raise NotEnoughEvidence(
            "the runs say neither tokens, nor tool calls, nor spend",
            mend="name a column: --column total_tokens=NAME",
        )
    level = 1 - ERROR / len(known)
    changes = {}
    for metric, (values, chosen) in known.items():
        change_of = change_of_p95 if metric == "p95 tokens" else change_of_mean
        changes[metric] = change_of(values, chosen, cells.paths, level=level, seed=seed)
    parts: dict[Part, What] = {MIX: What.MIX}
    parts |= {step.block: _what(step.block) for step in cells.paths[0]}
    cannot_tell = [*_obstacles(cells), *_nothing_clear(changes)]
    return Explanation(
        cells=cells,
        changes=changes,
        parts=parts,
        shown=frozenset(
            parts[step.block] for step in cells.paths[0] if Factor.PERIOD not in step.block
        ),
        cannot_tell=tuple(cannot_tell),
        notes=(*cells.notes, *notes, *_notes(cells)),
        level=level,
        seed=seed,
    )


Known = dict[str, tuple[Floats, Runs]]


def _known(runs: pa.Table, cells: Cells) -> tuple[Known, list[str]]:
    """The values of each metric with the runs of which it is known, and what is missing."""
    known: Known = {}
    notes: list[str] = []
    for metric in METRICS:
        name = COLUMN[metric]
        if name not in runs.column_names or runs[name].null_count == len(runs):
            notes.append(f"{metric}: not in the log")
            continue
        values = runs[name].to_numpy(zero_copy_only=False).astype(np.float64)[cells.rows]
        is_known = ~np.isnan(values)
        if metric == "p95 tokens":
            is_known &= values > 0
        chosen = _chosen(cells, is_known)
        if chosen is None:
            notes.append(f"{metric}: known of too few runs to say ({is_known.sum():,})")
            continue
        if (missing := int((~is_known).sum())) and metric != "p95 tokens":
            notes.append(f"{metric}: not known of {missing:,} of {is_known.size:,} runs")
        known[metric] = values[is_known], chosen
    return known, notes


def _chosen(cells: Cells, is_known: np.ndarray) -> Runs | None:
    """The cells' runs of which a metric is known; None where a cell would be too thin."""
    states, categories = cells.states[is_known], cells.categories[is_known]
    n = len(cells.names)
    counts = np.bincount(states * n + categories, minlength=n * len(cells.cells))
    if counts.min() < MIN_CELL_RUNS:
        return None
    return Runs(
        states=states,
        cells=cells.cells,
        categories=categories,
        n_categories=n,
        clusters=cells.clusters[is_known],
    )


def _what(block: frozenset[Factor]) -> What:
    if {Factor.PROMPT, Factor.ENVIRONMENT} <= block:
        return What.UNTOLD
    if Factor.PROMPT in block:
        return What.PROMPT
    return What.ENVIRONMENT if Factor.ENVIRONMENT in block else What.OTHER


def _obstacles(cells: Cells) -> Iterator[str]:
    """Why the data cannot tell, whatever the figures are."""
    for step in cells.paths[0]:
        what, with_time = _what(step.block), Factor.PERIOD in step.block
        if what is What.UNTOLD:
            yield (
                f"prompt and {_changed(cells)} changed together: "
                "no runs of one with the other's old value"
            )
        elif not with_time or what is What.OTHER:
            continue
        elif cells.traffic_by is None:
            yield (
                f"{what} and traffic changed together: the log does not say what was asked "
                "(--column category=NAME)"
            )
        elif what is What.PROMPT and cells.before.environment.get("model") is None:
            yield "the log does not say the model (--column model=NAME), which nothing rules out"


def _nothing_clear(changes: Mapping[str, Change]) -> Iterator[str]:
    """A change that is there, and no part of it that surely is."""
    if any(s.is_clear for change in changes.values() for s in change.parts.values()):
        return
    if moved := [metric for metric, change in changes.items() if change.total.is_clear]:
        yield f"{moved[0]} changed, but the runs are too few to say by which part"


def _changed(cells: Cells) -> str:
    """What of the model, tools and the like is another after."""
    before, after = cells.before.environment, cells.after.environment
    shown = [
        f"{name} ({_said(before[name])} -> {_said(after[name])})"
        for name in before
        if before[name] != after[name]
    ]
    return " and ".join(shown)


def _said(value: str | None) -> str:
    return "not said" if value is None else one_line(value, max_chars=MAX_SHOWN_CHARS)


def _notes(cells: Cells) -> Iterator[str]:
    """What a reader has to know to believe it."""
    if cells.traffic_by is None:
        yield "traffic: the log does not say what was asked, so that its change is not measured"
    else:
        what = f"traffic: told apart by {cells.traffic_by} ({len(cells.names)})"
        yield f"{what}; a change within one is not seen"
    for step in cells.paths[0]:
        what = _what(step.block)
        if Factor.PERIOD in step.block and what in (What.PROMPT, What.ENVIRONMENT):
            yield (
                f"{what}: before and after never ran at the same time, so whatever else changed "
                "at that moment, and is not recorded, is in it"
            )
    if changed := _changed(cells):
        yield f"changed: {changed}"
    recorded = set(cells.before.environment)
    if missing := [name for name in ("model", "tools_hash") if name not in recorded]:
        yield f"not in the log, so not ruled out: {', '.join(missing)}"
