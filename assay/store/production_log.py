"""Production's run logs as rows in the order in which the runs ended.

They are read while production writes them, and watched by nobody: a torn line, a run without
its prompt_id or its time, a value that is no number are counted and passed over. What fails
is only a log that cannot be understood at all.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.errors import InputError
from assay.store.log_files import read_columns
from assay.store.log_names import PRODUCTION, all_names
from assay.store.log_values import known_amounts, known_yes_or_no, moments, texts
from assay.store.run_log import find_column, is_one_of, wanted_columns
from assay.wording import one_line

SLACK_S = 60.0
"""A file that was last written so long before a time holds no run of after it."""
TEXTS = ("prompt_id", "run_id", "stop_reason")
TIMES = ("started_at", "ended_at")
AMOUNTS = ("total_tokens", "tool_calls", "spend_usd", "latency_s")


@dataclass(frozen=True, slots=True)
class ProductionLog:
    """Runs, each once, and what was passed over."""

    runs: pa.Table
    """Columns prompt_id, run_id, stop_reason (text), started_at, ended_at (UTC, microseconds),
    total_tokens, tool_calls, spend_usd (float64), success; null where not known. Each has its
    prompt_id and its times, in the order of `ended_at`, those that ended at once by run_id."""
    n_files: int
    passed_over: Mapping[str, int]
    """What, in words, and how many."""


def read_production_log(
    folder: Path, pattern: str, *, named: Mapping[str, str], since: datetime
) -> ProductionLog:
    """Read all files of a production log that may hold runs which started at `since` or later.

    Args:
        folder: What `pattern` starts from.
        pattern: A path, or one with `*`; JSON lines, CSV or Parquet.
        named: Our column -> the log's, where the user says so.
        since: With a time zone; earlier runs are left out.

    Raises:
        InputError: A file has no column of prompts or of times, or a named column is not there.
    """
    passed_over: Counter[str] = Counter()
    paths = [path for path in log_files(folder, pattern) if _may_hold(path, since)]
    tables = [_read(path, named, passed_over) for path in paths]
    whole = pa.concat_tables([table for table in tables if table is not None] or [no_runs()])
    recent = whole.filter(
        pc.fill_null(pc.greater_equal(whole["started_at"], pa.scalar(since, _TIME)), True)
    )
    return ProductionLog(_in_order(recent, passed_over), len(paths), dict(passed_over))


def log_files(folder: Path, pattern: str) -> list[Path]:
    """The files that a path or pattern names, by name."""
    where = Path(pattern)
    if where.is_absolute():
        folder, pattern = Path(where.anchor), str(where.relative_to(where.anchor))
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError) as refused:
        raise InputError(
            f"rollout.canary.run_log is no path: {one_line(str(refused))}",
            mend="write a path, or one with *: logs/runs-*.jsonl",
        ) from None


_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in TEXTS]
    + [(name, _TIME) for name in TIMES]
    + [(name, pa.float64()) for name in AMOUNTS]
    + [("success", pa.bool_())]
)


def no_runs() -> pa.Table:
    """A log in which nothing stands."""
    return _SCHEMA.empty_table()


def _may_hold(path: Path, since: datetime) -> bool:
    try:
        written = path.stat().st_mtime
    except OSError:  # rotated away at this very moment
        return False
    return written >= since.astimezone(UTC).timestamp() - SLACK_S


def _read(path: Path, named: Mapping[str, str], passed_over: Counter[str]) -> pa.Table | None:
    def pass_over(_line: int) -> None:
        passed_over["line that is no run"] += 1

    if not path.stat().st_size:
        return None
    try:
        log = read_columns(
            path,
            wanted=partial(wanted_columns, ours=PRODUCTION, named=named),
            texts=is_one_of([*all_names(TEXTS), *(named[name] for name in TEXTS if name in named)]),
            on_bad_line=pass_over,
        )
    except InputError as unreadable:
        passed_over[f"file that cannot be read ({one_line(unreadable.problem)})"] += 1
        return None
    if not log.n_runs:
        return None
    columns = {}
    for ours in PRODUCTION:
        try:
            columns[ours], _ = find_column(log, ours, named.get(ours), typed=_typed)
        except InputError as wrong:
            mend = f"mend it in rollout.canary.columns; {wrong.mend}"
            raise InputError(wrong.problem, path=path, mend=mend) from None
    return _table(_with_times(columns, path), log.n_runs)


def _typed(column: pa.ChunkedArray, ours: str, _name: str) -> pa.ChunkedArray:
    if ours in TEXTS:
        return pc.cast(texts(column), pa.string())
    if ours in TIMES:
        return moments(column)
    if ours == "success":
        return known_yes_or_no(column)
    return known_amounts(column)


Columns = dict[str, pa.ChunkedArray | None]


def _with_times(columns: Columns, path: Path) -> Columns:
    """When each run started and ended, as far as one follows from the other."""
    started, ended, latency = (columns[name] for name in (*TIMES, "latency_s"))
    if columns["prompt_id"] is None or (started is None and ended is None):
        what = "prompt" if columns["prompt_id"] is None else "time"
        ours = "prompt_id" if columns["prompt_id"] is None else "started_at"
        raise InputError(
            f"no column for the {what} of a run",
            path=path,
            mend=f"name it in rollout.canary.columns: {{{ours}: NAME}}",
        )
    took = None
    if latency is not None:
        microseconds = pc.cast(pc.multiply(pc.fill_null(latency, 0.0), 1e6), pa.int64(), safe=False)
        took = pc.cast(microseconds, pa.duration("us"))
    if ended is None:
        ended = started if took is None else pc.add(started, took)
    elif started is None:
        started = ended if took is None else pc.subtract(ended, took)
    return columns | {
        "started_at": pc.coalesce(started, ended),
        "ended_at": pc.coalesce(ended, started),
    }


def _table(columns: Columns, n: int) -> pa.Table:
    return pa.table(
        {
            field.name: pa.nulls(n, field.type)
            if (column := columns[field.name]) is None
            else pc.cast(column, field.type)
            for field in _SCHEMA
        }
    )


def _in_order(runs: pa.Table, passed_over: Counter[str]) -> pa.Table:
    for name, what in (
        ("started_at", "run without its time"),
        ("prompt_id", "run without prompt_id"),
    ):
        column = runs[name]
        known = column.is_valid()
        if name == "prompt_id":
            known = pc.and_(known, pc.fill_null(pc.not_equal(column, ""), False))
        if missing := len(runs) - int(pc.sum(known).as_py() or 0):
            passed_over[what] += missing
            runs = runs.filter(known)
    runs = runs.sort_by([("ended_at", "ascending"), ("run_id", "ascending")])
    last = _last_of_each(runs["run_id"])
    if repeated := len(runs) - int(last.sum()):
        passed_over["line of a run that is logged again"] += repeated
    return runs.filter(pa.array(last))


def _last_of_each(ids: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which rows are the last of their id; each without an id is one of its own."""
    last = np.ones(len(ids), dtype=np.bool_)
    known = np.flatnonzero(ids.is_valid().to_numpy())
    codes = ids.drop_null().combine_chunks().dictionary_encode().indices.to_numpy()
    _, from_the_end = np.unique(codes[::-1], return_index=True)
    last[known] = False
    last[known[codes.size - 1 - from_the_end]] = True
    return last
