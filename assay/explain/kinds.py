"""What kinds of requests there were, and those of which both sides have runs enough.

A kind that one side lacks is refused, for nobody knows what it would have cost there; rare ones
are put together.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import NoVerdict
from assay.explain.sides import Flags
from assay.stats.samples import Ints
from assay.wording import one_line

MIN_CELL_RUNS = 5
"""Of a category, in a cell that a way leads over."""
RARE, RARE_AND_MISSING = 0.10, 0.05
"""A thin category that is no larger on either side is put together with other rare ones; the
second, if one side has none of it at all."""
N_LENGTHS = 5
MAX_TASKS = 500
OTHERS = "(rare)"
NOT_SAID = "(not said)"

Names = tuple[str, ...]


class Comparable(NamedTuple):
    """Runs of categories that both sides have."""

    kept: Flags
    """Which runs."""
    categories: Ints
    names: Names
    notes: tuple[str, ...]


def coded(column: pa.ChunkedArray) -> tuple[Ints, tuple[str, ...]]:
    """0, 1, 2, ... for each distinct text; what is not said is one, too."""
    encoded = pc.fill_null(column, NOT_SAID).combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), tuple(encoded.dictionary.to_pylist())


def categories_of(runs: pa.Table) -> tuple[str | None, Ints, tuple[str, ...]]:
    """What kind of request each run answered, by the best that the logs say."""
    there = {name for name in runs.column_names if runs[name].null_count < len(runs)}
    if "category" in there:
        return "category", *coded(runs["category"])
    if "golden_task_id" in there:
        codes, names = coded(runs["golden_task_id"])
        if len(names) <= MAX_TASKS:
            return "golden_task_id", codes, names
    if "input" in there:
        lengths = runs["input"].to_numpy(zero_copy_only=False).astype(np.float64)
        edges = np.unique(np.nanquantile(lengths, np.arange(1, N_LENGTHS) / N_LENGTHS))
        found = np.where(np.isnan(lengths), edges.size + 1, np.searchsorted(edges, lengths))
        names = tuple(f"length {number + 1}" for number in range(edges.size + 1))
        return "length of the input", found.astype(np.int64), (*names, NOT_SAID)
    return None, np.zeros(len(runs), dtype=np.int64), ("all",)


def comparable(
    categories: Ints, names: Names, ends: tuple[Flags, Flags], traffic_by: str | None
) -> Comparable:
    """Categories with runs enough on both sides; rare ones together, or left out at last.

    Args:
        categories: Of each run.
        names: Theirs.
        ends: The runs of before, and those of after.
        traffic_by: What tells them apart.

    Raises:
        NoVerdict: A category that is not rare has no runs on one side.
    """
    counts = np.stack([np.bincount(categories[end], minlength=len(names)) for end in ends])
    is_thin = counts.min(axis=0) < MIN_CELL_RUNS
    _check_there(counts, is_thin, names, traffic_by)
    thick = tuple(name for name, thin in zip(names, is_thin, strict=True) if not thin)
    renumbered = np.where(is_thin, len(thick), np.cumsum(~is_thin) - 1)[categories]
    rare = counts[:, is_thin].sum(axis=1)
    if rare.min() >= MIN_CELL_RUNS:
        thick = (*thick, OTHERS)
    if not thick:
        raise NoVerdict(f"no {traffic_by} has {MIN_CELL_RUNS} runs before and after")
    left = int(rare.sum()) if thick[-1] != OTHERS else 0
    note = (f"{left} runs of rare categories are left out",) if left else ()
    return Comparable(renumbered < len(thick), renumbered, thick, note)


def _check_there(counts: Ints, is_thin: Flags, names: Names, traffic_by: str | None) -> None:
    """No category that matters is missing on one side: nobody knows what it would have cost."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    bearable = np.where(counts.min(axis=0) > 0, RARE, RARE_AND_MISSING)
    excess = np.where(is_thin, shares.max(axis=0) - bearable, -1.0)
    worst = int(excess.argmax())
    if excess[worst] > 0:
        before, after = (
            f"{n:,} runs ({share:.0%})"
            for n, share in zip(counts[:, worst], shares[:, worst], strict=True)
        )
        raise NoVerdict(
            f"{traffic_by} {one_line(names[worst])!r} has {before} before and {after} after: "
            "too few to say what it would cost there",
            mend="name times or files in which both have it",
        )
