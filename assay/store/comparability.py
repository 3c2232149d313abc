"""Whether two arms differ in nothing but their prompts: else a comparison says nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

FIELDS = (
    "agent", "model", "model_params_hash", "tools_hash", "golden_task_hash", "price_table",
    "budgets_hash", "judge_model", "faults_hash", "replayed",
)  # fmt: skip
"""Columns that must be alike in both arms, where a log has them."""
MAX_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing beside the prompt in which the arms differ."""

    field: str
    baseline: tuple[str, ...]
    candidate: tuple[str, ...]
    """Values of each arm; for `golden_task_hash` the golden tasks that differ."""

    def __str__(self) -> str:
        """`model: gpt-5 | gpt-5-mini`."""
        return f"{self.field}: {_some(self.baseline)} | {_some(self.candidate)}"


def differences(runs: pa.Table, *, baseline: str, candidate: str) -> list[Difference]:
    """What differs between the arms beside the prompt.

    Args:
        runs: Runs of both, with `prompt_id`, `golden_task_id` and any of `FIELDS`.
        baseline: A prompt_id.
        candidate: Another one.
    """
    fields = [field for field in FIELDS if field in runs.column_names]
    arms = [_of_prompt(runs, fields, prompt) for prompt in (baseline, candidate)]
    found = []
    for field in fields:
        values = [_values(arm, field) for arm in _on_same_tasks(arms, field)]
        if values[0] != values[1]:
            only = [sorted(values[i] - values[1 - i]) for i in (0, 1)]
            shown = [tuple(o or sorted(v)) for o, v in zip(only, values, strict=True)]
            found.append(Difference(field, *shown))
    return found


def allowed(differing: Iterable[Difference], fields: Collection[str]) -> tuple[str, ...]:
    """Of the fields that may differ, those that do."""
    return tuple(sorted({each.field for each in differing}.intersection(fields)))


def _of_prompt(runs: pa.Table, fields: list[str], prompt: str) -> pa.Table:
    is_its = pc.equal(runs["prompt_id"], prompt)
    return runs.select(["golden_task_id", *fields]).filter(is_its)


def _on_same_tasks(arms: list[pa.Table], field: str) -> list[pa.Table]:
    """For the golden tasks' hashes only the tasks that both arms have runs of.

    A task without runs in one arm (a budget ended the evaluation) is not another task: it
    is unmeasured, and the decision says so.
    """
    if field != "golden_task_hash":
        return arms
    ids = "golden_task_id"
    others = (arms[1], arms[0])
    return [
        arm.filter(pc.is_in(arm[ids], value_set=pc.unique(other[ids]).cast(pa.string())))
        for arm, other in zip(arms, others, strict=True)
    ]


def _values(arm: pa.Table, field: str) -> set[str]:
    if field == "golden_task_hash":
        pairs = arm.group_by(["golden_task_id", field]).aggregate([])
        ids, hashes = pairs["golden_task_id"].to_pylist(), pairs[field].to_pylist()
        return {f"{task} ({digest})" for task, digest in zip(ids, hashes, strict=True) if digest}
    return {str(value) for value in pc.unique(arm[field]).to_pylist() if value is not None}


def _some(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - MAX_SHOWN} more" if len(values) > MAX_SHOWN else ""
    return ", ".join(value[:60] for value in values[:MAX_SHOWN]) + more or "none"
