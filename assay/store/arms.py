"""From the columns of Parquet to the two arms of a decision, without a loop over runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.decision.arms import Arm, Flags
from assay.records import BUDGET_STOPS, PromptRef, StopReason
from assay.stats.samples import Floats

METRICS = ("total_tokens", "tool_calls", "spend_usd", "latency_s")
COLUMNS = (
    "prompt_id", "golden_task_id", "repeat", "stop_reason", "success",
    "violated_invariants", *METRICS,
)  # fmt: skip
"""What a decision reads of a run."""


def read_arm(table: pa.Table, prompt: PromptRef, *, tasks: Mapping[str, str]) -> Arm:
    """The runs of one prompt.

    Args:
        table: Runs, with `COLUMNS` at least.
        prompt: Whose runs to take.
        tasks: Golden task id -> its expected stop reason, in the order of their numbers;
            runs of other tasks are left out.
    """
    known = pa.array(list(tasks), type=pa.string())
    wanted = pc.and_(
        pc.equal(table["prompt_id"], prompt.prompt_id),
        pc.is_in(table["golden_task_id"], value_set=known),
    )
    runs = table.select(list(COLUMNS)).filter(wanted)
    numbers = pc.index_in(runs["golden_task_id"], value_set=known).to_numpy().astype(np.int64)
    stops = runs["stop_reason"]
    expected = pa.array(list(tasks.values()), type=pa.string()).take(pa.array(numbers))
    is_budget_stop = pc.is_in(stops, value_set=pa.array(sorted(BUDGET_STOPS), type=pa.string()))
    return Arm(
        prompt=prompt,
        tasks=numbers,
        repeats=runs["repeat"].to_numpy().astype(np.int64),
        metrics={name: _floats(runs[name]) for name in METRICS},
        success=_floats(runs["success"]),
        infra=_flags(pc.equal(stops, StopReason.INFRA_ERROR.value)),
        cut=_flags(pc.and_(is_budget_stop, pc.not_equal(stops, expected))),
        violations=_violations(runs["violated_invariants"]),
    )


def _violations(column: pa.ChunkedArray) -> dict[str, Flags]:
    """For each name in the lists: which rows hold it."""
    whole = column.combine_chunks()
    rows, names = pc.list_parent_indices(whole), pc.list_flatten(whole)
    found: dict[str, Flags] = {}
    for name in sorted(names.unique().to_pylist()):
        flags = np.zeros(len(whole), dtype=np.bool_)
        flags[rows.filter(pc.equal(names, name)).to_numpy(zero_copy_only=False)] = True
        found[name] = flags
    return found


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = pc.cast(column, pa.float64()).to_numpy()
    return values


def _flags(column: pa.ChunkedArray) -> Flags:
    flags: Flags = column.to_numpy().astype(np.bool_)
    return flags


def total_spend_usd(table: pa.Table, prompts: Sequence[PromptRef]) -> float | None:
    """What the runs of these prompts cost together; None when one's price is not known."""
    ids = pa.array([prompt.prompt_id for prompt in prompts], type=pa.string())
    spend = table.filter(pc.is_in(table["prompt_id"], value_set=ids))["spend_usd"]
    return None if spend.null_count or not len(spend) else float(pc.sum(spend).as_py())
