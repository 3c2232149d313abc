"""The runs of the baseline that earlier evaluations kept under the results folder.

Only what can be compared counts: the same prompt's text, golden tasks that have not changed,
the same agent and model, and of those the model's parameters, tools and prices of the newest. Runs
that say the same as an earlier evaluation's (a simulation with the same seed, a replay) are
known already and count once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.plan import Plan
from assay.store.evaluations import EvaluationFolder, evaluations

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LOOKED_AT = 200
"""Older evaluations are not looked at: their first lines alone would take a while."""
MAX_READ = 10
ALIKE = ("model_params_hash", "tools_hash", "price_table")
"""What the newest recorded run settles for all the others."""
LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """Runs of the baseline on the plan's golden tasks, at least one."""

    runs: "pa.Table"
    n_evaluations: int
    warnings: tuple[str, ...]
    """Files that could not be read."""


def recorded_runs(plan: Plan, *, at_most: int = MAX_READ) -> Recorded | None:
    """What is known of the baseline; None where there is no run of it.

    Args:
        plan: The evaluation to come.
        at_most: Evaluations to read, the newest first, >= 1.
    """
    tables: list[Any] = []
    warnings: list[str] = []
    for folder in _of_interest(plan):
        try:
            runs = _comparable(folder, plan)
        except (OSError, ValueError) as damaged:  # PyArrow's errors are ValueErrors
            warnings.append(f"{folder.runs} cannot be read: {type(damaged).__name__}")
            continue
        if runs is not None:
            tables.append(runs if not tables else _like(runs, tables[0]))
        if len(tables) == at_most:
            break
    kept = [table for table in _without_replays(tables) if len(table)]
    if not kept:
        return None
    import pyarrow as pa

    return Recorded(runs=pa.concat_tables(kept), n_evaluations=len(kept), warnings=tuple(warnings))


def _of_interest(plan: Plan) -> Iterator[EvaluationFolder]:
    """The newest evaluations whose first line names the baseline and one of the golden tasks."""
    results = plan.config.folder / plan.config.results.uri
    for folder in evaluations(results)[:MAX_LOOKED_AT]:
        header = folder.header() or {}
        prompts = [prompt.get("prompt_id") for prompt in folder.prompts]
        golden = _mapping(header.get("golden"))
        is_known = any(golden.get(task.id) == task.hash for task in plan.tasks)
        if "replay" in header or header.get("faults_hash") != plan.config.faults_hash:
            continue  # of another world, or said by a record already
        if plan.baseline.prompt_id in prompts and is_known:
            yield folder


def _comparable(folder: EvaluationFolder, plan: Plan) -> "pa.Table | None":
    paths = sorted(folder.runs.glob("round-*.parquet"))
    if not paths:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    from assay.store.parquet import SCHEMA, read_runs

    heavy = {"output", "trace", "error", "failed_checks", "tool_calls_by_tool"}
    runs = read_runs(paths, columns=[name for name in SCHEMA.names if name not in heavy])
    ids = pa.array([task.id for task in plan.tasks], type=pa.string())
    hashes = pa.array([task.hash for task in plan.tasks], type=pa.string())
    expected = hashes.take(pc.index_in(runs["golden_task_id"], value_set=ids).combine_chunks())
    runs = runs.filter(
        pc.and_(
            pc.and_(
                pc.equal(runs["prompt_id"], plan.baseline.prompt_id),
                pc.equal(runs["agent"], plan.config.agent.name),
            ),
            pc.and_(_is_model(runs["model"], plan), pc.equal(runs["golden_task_hash"], expected)),
        )
    )
    if len(runs) == 0:
        return None
    newest = runs.sort_by([("started_at", "descending")]).slice(0, 1)
    return _like(runs, newest)


def _is_model(column: "pa.ChunkedArray", plan: Plan) -> "pa.ChunkedArray":
    """Whether a run was made with the plan's model: `local` is stored with the file's name."""
    import pyarrow.compute as pc

    model = plan.config.agent.model
    if model.partition(":")[0] == LOCAL:
        return pc.starts_with(column, f"{LOCAL}:")
    return pc.equal(column, model)


def _like(runs: "pa.Table", other: "pa.Table") -> "pa.Table":
    """The runs that were made under the same conditions as the other table's first."""
    import pyarrow.compute as pc

    for name in ALIKE:
        wanted: Any = other[name][0].as_py()
        column = runs[name]
        runs = runs.filter(pc.is_null(column) if wanted is None else pc.equal(column, wanted))
    return runs


def _without_replays(tables: "list[pa.Table]") -> "Iterator[pa.Table]":
    """Each table without the runs that another has already said, repeat by repeat."""
    import pyarrow as pa

    seen: list[dict[Any, Any]] = []
    for table in tables:
        said = _said(table)
        known: set[Any] = set()
        for other in seen:
            common = said.keys() & other.keys()
            if all(said[key] == other[key] for key in common):
                known |= common
        seen.append(said)
        yield table.filter(pa.array([key not in known for key in said], type=pa.bool_()))


def _said(table: "pa.Table") -> dict[Any, Any]:
    """(golden task, repeat) -> what the run used; in the order of the rows."""
    names = ("golden_task_id", "repeat", "total_tokens", "tool_calls")
    columns = zip(*(table[name].to_pylist() for name in names), strict=True)
    return {(task, repeat): (tokens, calls) for task, repeat, tokens, calls in columns}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
