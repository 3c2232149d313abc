"""What changed, how much of it which part made, and whether the data can tell at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pyarrow as pa

from assay.errors import NotEnoughEvidence
from assay.explain.cells import Cells, cells_of
from assay.explain.decomposition import (
    MIX,
    Change,
    Part,
    Runs,
    change_of_mean,
    change_of_p95,
    draws_of,
)
from assay.explain.kinds import MIN_CELL_RUNS
from assay.explain.paths import Block, Factor
from assay.explain.sides import Sides
from assay.stats.samples import Floats
from assay.wording import one_line

ERROR = 0.05
"""That any of the intervals on the page misses."""
SEED = 20_261_120
COLUMN = {
    "p95 tokens": "total_tokens",
    "mean tokens": "total_tokens",
    "tool calls": "tool_calls",
    "spend": "spend_usd",
}
"""Metric -> the column that it is computed from."""
MAX_SHOWN_CHARS = 40


class What(StrEnum):
    """What a part is put down to."""

    PROMPT = "prompt"
    MIX = MIX
    ENVIRONMENT = "model or tools"
    OTHER = "not recorded"
    """It changed with time, under one prompt, model and mix."""
    UNTOLD = "not told apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Before, after, and why."""

    cells: Cells
    changes: Mapping[str, Change]
    """Metric -> what became of it; those that are known."""
    parts: Mapping[Part, What]
    shown: frozenset[What]
    """Parts of which both values ran in the same period."""
    cannot_tell: tuple[str, ...]
    """Why the data do not say what it was; empty where they do."""
    notes: tuple[str, ...]
    level: float
    """Two-sided, of each interval."""
    seed: int
    draws: int

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
        """What surely made a part of some change."""
        return tuple(each for each in What if each is not What.UNTOLD and self.clear(each))


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
    n_parts = len(cells.paths[0]) + (cells.traffic_by is not None)
    level = 1 - ERROR / (len(known) * n_parts)
    changes = {}
    for metric, (values, chosen) in known.items():
        change_of = change_of_p95 if metric == "p95 tokens" else change_of_mean
        change = change_of(values, chosen, cells.paths, level=level, seed=seed)
        changes[metric] = change if cells.traffic_by else _without_mix(change)
    obstacles = _obstacles(cells)
    parts: dict[Part, What] = {MIX: What.MIX} if cells.traffic_by else {}
    for step in cells.paths[0]:
        parts[step.block] = What.UNTOLD if step.block in obstacles else _what(step.block)
    # A part that may be nothing stands in nobody's way.
    matter = [
        why
        for block, why in obstacles.items()
        if any(change.parts[block].is_clear for change in changes.values())
    ]
    return Explanation(
        cells=cells,
        changes=changes,
        parts=parts,
        shown=frozenset(
            parts[step.block] for step in cells.paths[0] if Factor.PERIOD not in step.block
        ),
        cannot_tell=(*matter, *_nothing_clear(changes)),
        notes=(*cells.notes, *notes, *(set(obstacles.values()) - set(matter)), *_notes(cells)),
        level=level,
        seed=seed,
        draws=draws_of(cells.rows.size),
    )


def _without_mix(change: Change) -> Change:
    """Where nothing says what was asked, that the mix did not change is not known."""
    kept = {part: share for part, share in change.parts.items() if part != MIX}
    return replace(change, parts=kept)


Known = dict[str, tuple[Floats, Runs]]


def _known(runs: pa.Table, cells: Cells) -> tuple[Known, list[str]]:
    """The values of each metric with the runs of which it is known, and what is missing."""
    known: Known = {}
    notes: list[str] = []
    for metric, name in COLUMN.items():
        if name not in runs.column_names or runs[name].null_count == len(runs):
            notes.append(f"{metric}: not in the log")
            continue
        if metric == "spend" and _prices(runs, cells) > 1:
            notes.append("spend: the prices changed, so it is not split")
            continue
        values = runs[name].to_numpy(zero_copy_only=False).astype(np.float64)[cells.rows]
        is_known = values > 0 if metric == "p95 tokens" else ~np.isnan(values)
        missing = f"{is_known.size - int(is_known.sum()):,} of {is_known.size:,} runs"
        chosen = _chosen(cells, is_known)
        if chosen is None:
            notes.append(f"{metric}: not known of {missing}, too many to say")
            continue
        if not is_known.all() and metric != "p95 tokens":
            notes.append(f"{metric}: not known of {missing}")
        known[metric] = values[is_known], chosen
    return known, notes


def _prices(runs: pa.Table, cells: Cells) -> int:
    """How many tables of prices the runs' spend was computed by."""
    if "price_table" not in runs.column_names:
        return 0
    return len(runs["price_table"].take(pa.array(cells.rows)).drop_null().unique())


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


def _what(block: Block) -> What:
    if {Factor.PROMPT, Factor.ENVIRONMENT} <= block:
        return What.UNTOLD
    if Factor.PROMPT in block:
        return What.PROMPT
    return What.ENVIRONMENT if Factor.ENVIRONMENT in block else What.OTHER


def _obstacles(cells: Cells) -> dict[Block, str]:
    """The parts that the data cannot tell apart, whatever the figures are; and why."""
    found = {step.block: _obstacle(step.block, cells) for step in cells.paths[0]}
    return {block: why for block, why in found.items() if why is not None}


def _obstacle(block: Block, cells: Cells) -> str | None:
    what = _what(block)
    if what is What.UNTOLD:
        return f"prompt and {_changed(cells)} changed together, and never ran apart"
    if Factor.PERIOD not in block or what is What.OTHER:
        return None
    if cells.traffic_by is None:
        return f"{what} or traffic? the log does not say what was asked (--column category=NAME)"
    if what is What.PROMPT and cells.before.environment.get("model") is None:
        return "prompt or model? the log does not say the model (--column model=NAME)"
    return None


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
        f"{in_words(name)} ({_said(before[name])}, then {_said(after[name])})"
        for name in before
        if before[name] != after[name]
    ]
    return " and ".join(shown)


def in_words(column: str) -> str:
    """Without underscores, which chats take for marks.

    >>> in_words("tools_hash"), in_words("golden_task_id")
    ('tools', 'golden task')
    """
    return column.removesuffix("_hash").removesuffix("_id").replace("_", " ")


def _said(value: str | None) -> str:
    return "not said" if value is None else one_line(value, max_chars=MAX_SHOWN_CHARS)


def _notes(cells: Cells) -> Iterator[str]:
    """What a reader has to know to believe it."""
    if cells.traffic_by is None:
        yield "traffic: the log does not say what was asked, so that its change is not measured"
    else:
        what = f"traffic: told apart by {in_words(cells.traffic_by)} ({len(cells.names)})"
        worth = f"the runs before, weighed as the mix after, count as {cells.effective_runs:,.0f}"
        yield f"{what} and by nothing else; {worth}"
    for step in cells.paths[0]:
        what = _what(step.block)
        if Factor.PERIOD in step.block and what in (What.PROMPT, What.ENVIRONMENT):
            yield (
                f"{what}: before and after never ran at the same time; what else changed at that "
                "moment, and is not recorded, is in it (proof: assay evaluate, on golden tasks)"
            )
    if cells.before.prompt_id == cells.after.prompt_id:
        yield "the prompt is the same before and after"
    if changed := _changed(cells):
        yield f"changed: {changed}"
    recorded = set(cells.before.environment)
    if missing := [name for name in ("model", "tools_hash") if name not in recorded]:
        yield f"not in the log, so not ruled out: {', '.join(map(in_words, missing))}"
