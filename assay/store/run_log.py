"""Run logs of any harness, as runs: JSON lines, CSV or Parquet, with columns found by name.

What is needed is a golden task, a prompt and one metric; the rest is taken where it is
there. Columns are named by the user or guessed from the names that harnesses use.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from assay.errors import InputError
from assay.stats.samples import Ints

GUESSES: Mapping[str, tuple[str, ...]] = {
    "prompt_id": (
        "prompt_id", "assay.prompt.id", "prompt", "prompt_version", "gen_ai.prompt.version",
        "variant", "version", "arm", "config",
    ),
    "golden_task_id": (
        "golden_task_id", "task_id", "task", "test_id", "test", "case_id", "case", "example_id",
        "sample_id", "question_id", "instance_id", "id",
    ),
    "repeat": ("repeat", "trial", "epoch", "attempt", "run", "iteration"),
    "total_tokens": (
        "total_tokens", "usage.total_tokens", "tokenUsage.total", "token_usage.total_tokens",
        "num_tokens", "n_tokens", "tokens",
    ),
    "tool_calls": (
        "tool_calls", "num_tool_calls", "n_tool_calls", "tool_call_count", "usage.tool_calls",
    ),
    "spend_usd": (
        "spend_usd", "cost_usd", "total_cost_usd", "total_cost", "agent_cost", "cost", "spend",
    ),
    "latency_s": ("latency_s", "duration_s", "elapsed_s", "latency", "duration"),
    "success": ("success", "passed", "pass", "reward", "is_correct", "correct", "resolved"),
    "stop_reason": ("stop_reason", "finish_reason", "termination_reason"),
}  # fmt: skip
"""Our column -> names to look for, the likeliest first; upper and lower case are alike."""

SUMS = {
    "total_tokens": (
        ("input_tokens", "output_tokens"),
        ("prompt_tokens", "completion_tokens"),
        ("usage.input_tokens", "usage.output_tokens"),
        ("usage.prompt_tokens", "usage.completion_tokens"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    )
}
MILLISECONDS = ("latency_ms", "latencyMs", "duration_ms", "elapsed_ms")
METRICS = ("total_tokens", "tool_calls", "spend_usd", "latency_s", "success")
MAX_BYTES_OF_A_LINE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class RunLog:
    """Runs, and where their columns came from."""

    runs: pa.Table
    """Our columns; those that the log does not have are null."""
    sources: Mapping[str, str]
    """Our column -> the log's, in words."""


def read_run_log(path: Path, *, named: Mapping[str, str]) -> RunLog:
    """Read a run log, or a folder of Parquet files.

    Args:
        path: `.jsonl`, `.ndjson`, `.json`, `.csv`, `.parquet`, or a folder of `.parquet`.
        named: Our column -> the log's, where the user says so.

    Raises:
        InputError: It cannot be read, a named column is missing, or there is no golden
            task, no prompt or no metric in it.
    """
    table = _flat(_read(path))
    columns: dict[str, pa.ChunkedArray] = {}
    sources: dict[str, str] = {}
    for ours in GUESSES:
        found = _find(table, ours, named=named, path=path)
        if found is not None:
            columns[ours], sources[ours] = found
    for needed in ("golden_task_id", "prompt_id"):
        if needed not in columns:
            raise _missing(needed, table, path)
    if not set(METRICS) & set(columns):
        raise _missing("total_tokens", table, path)
    extra = [name for name in table.column_names if name not in columns]
    others = {name: table[name] for name in extra}
    return RunLog(_completed(pa.table({**others, **columns}), path), sources)


def _read(path: Path) -> pa.Table:
    if not path.exists():
        raise InputError("no such file", path=path, mend="name a .jsonl, .csv or .parquet file")
    try:
        if path.is_dir():
            return pq.read_table(path)
        match path.suffix.lower():
            case ".parquet":
                return pq.read_table(path)
            case ".csv":
                return pyarrow.csv.read_csv(path)
            case ".jsonl" | ".ndjson" | ".json":
                options = pyarrow.json.ReadOptions(block_size=MAX_BYTES_OF_A_LINE)
                return pyarrow.json.read_json(path, read_options=options)
            case other:
                raise InputError(
                    f"{other or 'a file without an ending'} is no run log",
                    path=path,
                    mend="give .jsonl, .csv or .parquet",
                )
    except (pa.ArrowException, OSError) as refused:
        words = " ".join(str(refused).split())[:300]
        raise InputError(f"cannot be read: {words}", path=path) from None


def _flat(table: pa.Table) -> pa.Table:
    """Nested objects as columns `outer.inner`."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _find(
    table: pa.Table, ours: str, *, named: Mapping[str, str], path: Path
) -> tuple[pa.ChunkedArray, str] | None:
    """One of our columns in the log, and where it was found."""
    if ours in named:
        if named[ours] not in table.column_names:
            raise InputError(f"there is no column {named[ours]!r}", path=path, mend=_there(table))
        return _typed(table[named[ours]], ours, path=path), named[ours]
    by_lower = {name.lower(): name for name in reversed(table.column_names)}
    for guess in GUESSES[ours]:
        if (name := by_lower.get(guess.lower())) is not None:
            return _typed(table[name], ours, path=path), name
    for parts in SUMS.get(ours, ()):
        names = [by_lower.get(part) for part in parts]
        if None not in names:
            left, right = (_typed(table[name], ours, path=path) for name in names)
            return pc.add(left, right), " + ".join(map(str, names))
    if ours == "latency_s":
        for guess in MILLISECONDS:
            if (name := by_lower.get(guess.lower())) is not None:
                return pc.divide(_typed(table[name], ours, path=path), 1000.0), f"{name} / 1000"
    return None


def _typed(column: pa.ChunkedArray, ours: str, *, path: Path) -> pa.ChunkedArray:
    """The column as numbers or text; a list of tool calls as its length."""
    if ours == "tool_calls" and (
        pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    ):
        column = pc.list_value_length(column)
    try:
        if ours == "success":
            return _success(column, path)
        text = ours in ("prompt_id", "golden_task_id", "stop_reason")
        return pc.cast(column, pa.string() if text else pa.float64())
    except pa.ArrowException as refused:
        words = " ".join(str(refused).split())[:200]
        raise InputError(f"column for {ours}: {words}", path=path) from None


def _success(column: pa.ChunkedArray, path: Path) -> pa.ChunkedArray:
    """True and false, or 1 and 0; a grade in between has no meaning that we could know."""
    if pa.types.is_boolean(column.type):
        return column
    if pa.types.is_string(column.type):
        lower = pc.utf8_lower(column)
        yes = pc.is_in(lower, value_set=pa.array(["true", "yes", "pass", "passed", "1", "1.0"]))
        return pc.if_else(pc.is_null(column), None, yes)
    values = pc.cast(column, pa.float64())
    known = set(pc.unique(values).to_pylist()) - {None}
    if not known <= {0.0, 1.0}:
        raise InputError(
            "the column for success holds numbers other than 0 and 1",
            path=path,
            mend="add a column of true and false, and name it with --column success=NAME",
        )
    return pc.equal(values, 1.0)


def _completed(runs: pa.Table, path: Path) -> pa.Table:
    """With every column that a decision reads; a repeat is a run's number within its cell."""
    if runs["prompt_id"].null_count or runs["golden_task_id"].null_count:
        raise InputError("a run has no prompt or no golden task", path=path)
    n = len(runs)
    defaults = {name: pa.nulls(n, pa.float64()) for name in METRICS if name != "success"}
    defaults["success"] = pa.nulls(n, pa.bool_())
    defaults["stop_reason"] = pa.array(np.full(n, "finish"))
    defaults["violated_invariants"] = pa.nulls(n, pa.list_(pa.string()))
    for name, column in defaults.items():
        if name not in runs.column_names:
            runs = runs.append_column(name, column)
    numbers = pa.array(_numbers_in_cells(runs))
    if "repeat" in runs.column_names:
        runs = runs.drop_columns(["repeat"])
    return runs.append_column("repeat", numbers)


def _numbers_in_cells(runs: pa.Table) -> Ints:
    """1, 2, 3, ... for the runs of each prompt and golden task, in the order of the log."""
    codes = [
        np.unique(runs[name].to_numpy(), return_inverse=True)[1]
        for name in ("prompt_id", "golden_task_id")
    ]
    cells = codes[0] * (codes[1].max(initial=0) + 1) + codes[1]
    order = np.argsort(cells, kind="stable")
    sorted_cells = cells[order]
    starts = np.flatnonzero(np.append(True, sorted_cells[1:] != sorted_cells[:-1]))
    lengths = np.diff(np.append(starts, len(cells)))
    numbers = np.empty(len(cells), dtype=np.int64)
    numbers[order] = np.arange(len(cells)) - np.repeat(starts, lengths) + 1
    return numbers


def _missing(ours: str, table: pa.Table, path: Path) -> InputError:
    what = {
        "golden_task_id": "no column for the golden task",
        "prompt_id": "no column for the prompt",
    }.get(ours, f"no metric: none of {', '.join(METRICS)}")
    return InputError(what, path=path, mend=f"name it with --column {ours}=NAME; {_there(table)}")


def _there(table: pa.Table) -> str:
    names: Iterator[str] = (name[:60] for name in table.column_names)
    shown = ", ".join(list(names)[:20])
    return f"the columns are: {shown}"
