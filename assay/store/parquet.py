"""Runs as Parquet: one row a run, typed columns, the schema's version in the metadata."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.records import SCHEMA_VERSION, RunRecord

VERSION_KEY = b"assay.schema_version"

_TEXT = ("evaluation_id", "run_id", "prompt_name", "prompt_version", "prompt_id",
         "golden_task_id", "golden_task_hash", "category", "agent", "model",
         "model_params_hash", "tools_hash", "budgets_hash", "price_table", "stop_reason", "output",
         "error", "trace", "judge_model", "judge_rulings", "faults_hash", "replayed")  # fmt: skip
_COUNTS = ("repeat", "round", "input_tokens", "output_tokens", "cached_tokens",
           "reasoning_tokens", "total_tokens", "steps", "tool_calls", "denied_tool_calls",
           "attempts", "judge_tokens")  # fmt: skip
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(_TEXT, pa.string()),
    **dict.fromkeys(_COUNTS, pa.int64()),
    "started_at": pa.timestamp("us", tz="UTC"),
    "latency_s": pa.float64(),
    "spend_usd": pa.float64(),
    "judge_agreement": pa.float64(),
    "judge_spend_usd": pa.float64(),
    "success": pa.bool_(),
    "success_without_judge": pa.bool_(),
    "tool_calls_by_tool": pa.map_(pa.string(), pa.int64()),
    "failed_checks": pa.list_(pa.string()),
    "violated_invariants": pa.list_(pa.string()),
}

SCHEMA = pa.schema(
    [pa.field(name, _TYPES[name]) for name in RunRecord.model_fields],
    metadata={VERSION_KEY: str(SCHEMA_VERSION)},
)
"""The columns of a run in the order of `RunRecord`; `trace` and `judge_rulings` are JSON text."""


def runs_table(runs: Iterable[RunRecord]) -> pa.Table:
    """The runs as an Arrow table with `SCHEMA`."""
    return pa.Table.from_pylist([_row(run) for run in runs], schema=SCHEMA)


def write_runs(path: Path, runs: Iterable[RunRecord]) -> None:
    """Write a Parquet file whole or not at all: beside it, fsync, replace, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        pq.write_table(runs_table(runs), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_runs(paths: Sequence[Path], *, columns: Sequence[str] | None = None) -> pa.Table:
    """The runs of several files as one table; columns that an older file lacks are null."""
    wanted = SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
    tables = [_read(path, wanted.names) for path in paths]
    whole = pa.concat_tables(tables, promote_options="default") if tables else wanted.empty_table()
    for field in wanted:
        if field.name not in whole.column_names:
            whole = whole.append_column(field, pa.nulls(len(whole), field.type))
    return whole.select(wanted.names)


def _read(path: Path, names: Sequence[str]) -> pa.Table:
    file = pq.ParquetFile(path)
    return file.read(columns=[name for name in names if name in file.schema_arrow.names])


def _row(run: RunRecord) -> dict[str, Any]:
    row = run.model_dump()
    for name in ("trace", "judge_rulings"):
        row[name] = json.dumps(row[name], ensure_ascii=False)
    row["tool_calls_by_tool"] = list(row["tool_calls_by_tool"].items())
    return row
