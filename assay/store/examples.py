"""A failed run of each golden task that moved, so that a person sees why."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.decision.document import Decision, Example

MAX_OUTPUT_CHARS = 600
MAX_CALLS = 20
MOVED = ("broken", "suspect")
COLUMNS = [
    "run_id", "golden_task_id", "repeat", "stop_reason", "failed_checks", "output", "trace",
]  # fmt: skip


def with_examples(decision: Decision, runs: pa.Table) -> Decision:
    """The decision with a failed run of the candidate for each broken or suspect task."""
    moved = [task.golden_task_id for task in decision.tasks if task.result in MOVED]
    if not moved:
        return decision
    found = _first_failures(runs, decision.candidate.prompt_id, moved)
    tasks = tuple(
        task.model_copy(update={"example": found.get(task.golden_task_id)})
        for task in decision.tasks
    )
    return decision.model_copy(update={"tasks": tasks})


def _first_failures(runs: pa.Table, prompt_id: str, task_ids: list[str]) -> dict[str, Example]:
    failed = runs.filter(
        pc.and_(
            pc.and_(pc.equal(runs["prompt_id"], prompt_id), pc.equal(runs["success"], False)),
            pc.is_in(runs["golden_task_id"], value_set=pa.array(task_ids, pa.string())),
        )
    )
    rows = failed.select(COLUMNS).sort_by("repeat").to_pylist()
    return {row["golden_task_id"]: _example(row) for row in reversed(rows)}


def _example(row: dict[str, Any]) -> Example:
    trace = [each for each in json.loads(row["trace"] or "[]") if "tool" in each]  # or a note
    calls = tuple(f"{call['tool']}({call['arguments']})" for call in trace[:MAX_CALLS])
    return Example(
        run_id=row["run_id"],
        stop_reason=row["stop_reason"],
        failed_checks=tuple(row["failed_checks"] or ()),
        tool_calls=calls,
        output=None if row["output"] is None else row["output"][:MAX_OUTPUT_CHARS],
    )
