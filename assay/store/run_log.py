"""Run logs of any harness, as runs, with columns named by the user or found by their names.

What is needed is a golden task, a prompt and one metric; the rest is taken where it is there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import InputError
from assay.stats.samples import Ints
from assay.store.arms import JUDGES
from assay.store.comparability import FIELDS
from assay.store.log_files import LogColumns, read_columns
from assay.store.log_names import (
    ANYWHERE,
    CONVERSATIONS,
    GUESSES,
    MILLISECONDS,
    SUMS,
    all_names,
    guesses,
    key,
    leaf,
    likeliest,
)
from assay.store.log_values import Unfit, calls_in, counts, numbers, texts, yes_or_no
from assay.wording import one_line

METRICS = ("total_tokens", "tool_calls", "spend_usd", "latency_s", "success")
NEEDED = {"golden_task_id": "golden task", "prompt_id": "prompt"}
OURS = ("violated_invariants", "repeat", *FIELDS, *JUDGES)
"""Taken where the log is one of ours, or names them so."""
MAX_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class RunLog:
    """Runs, and where their columns came from."""

    runs: pa.Table
    """Our columns; those that the log does not have are null."""
    sources: Mapping[str, str]
    """Our column -> the log's, in words."""


def read_run_log(path: Path, *, named: Mapping[str, str]) -> RunLog:
    """Read a run log.

    Args:
        path: `.jsonl`, `.ndjson`, `.json`, `.csv`, `.parquet`, a folder of `.parquet`, or
            the folder of an evaluation.
        named: Our column -> the log's, where the user says so.

    Raises:
        InputError: It cannot be read, a named column is missing or holds something else,
            there is no golden task, no prompt or no metric in it, or a value is impossible.
    """
    log = read_columns(
        path,
        wanted=partial(wanted_columns, ours=GUESSES, named=named, further=OURS),
        texts=is_one_of([*all_names(NEEDED), *(named[name] for name in NEEDED if name in named)]),
    )
    try:
        found = {ours: find_column(log, ours, named.get(ours)) for ours in GUESSES}
    except InputError as wrong:
        raise InputError(wrong.problem, path=path, mend=wrong.mend) from None
    columns = {ours: column for ours, (column, _) in found.items() if column is not None}
    for needed, what in NEEDED.items():
        if needed not in columns:
            raise _missing(f"no column for the {what}", needed, log, path)
        if columns[needed].null_count:
            raise InputError(f"a run has no {what}", path=path, mend="name it in every run")
    if not set(METRICS) & set(columns):
        raise _missing(f"no metric: none of {', '.join(METRICS)}", "total_tokens", log, path)
    return RunLog(_runs(columns, log), {ours: words for ours, (_, words) in found.items() if words})


Found = tuple[pa.ChunkedArray | None, str]
"""A column, and in words where it came from; empty words for nowhere."""
Typed = Callable[[pa.ChunkedArray, str, str], pa.ChunkedArray]
"""A column as ours, of that name in the log; raises `Unfit` where it cannot be."""


def find_column(
    log: LogColumns, ours: str, name: str | None, *, typed: Typed | None = None
) -> Found:
    """The column that is ours, by the name that the user gave it or by a likely one.

    Raises:
        InputError: The named one is not there or holds something else, or a value is impossible.
    """
    typed = typed or _typed
    if name is None:
        return _guessed(log, ours, typed)
    if name not in log.columns:
        raise InputError(f"there is no column {one_line(name)!r}", mend=_there(log))
    try:
        return typed(log.columns[name], ours, name), name
    except Unfit as unfit:
        mend = f"name another with --column {ours}=NAME"
        raise InputError(f"column {one_line(name)!r} {unfit}", mend=mend) from None


def _guessed(log: LogColumns, ours: str, typed: Typed) -> Found:
    """The first column with a likely name that holds what it should."""
    passed_over = ""
    for name in _likely(ours, log):
        try:
            return typed(log.columns[name], ours, name), name
        except Unfit as unfit:
            passed_over = passed_over or f"none ({name} {unfit})"
    for parts in SUMS.get(ours, ()):
        if len(there := list(likeliest(parts, log.columns))) == len(parts):
            return _sum(there, ours, log, typed)
    for name in likeliest(MILLISECONDS.get(ours, ()), log.columns):
        return pc.divide(typed(log.columns[name], ours, name), 1000.0), f"{name} / 1000"
    for name in likeliest(CONVERSATIONS.get(ours, ()), log.columns):
        if (called := calls_in(log.columns[name])) is not None:
            return called, f"those in {name}"
    return None, passed_over


def _likely(ours: str, log: LogColumns) -> Iterator[str]:
    """Columns that are called so; then those inside of an object, where just one is."""
    yield from likeliest(guesses(ours), log.columns)
    if ours in ANYWHERE:
        for guess in guesses(ours):
            inside = [name for name in log.columns if leaf(name) == key(guess)]
            if len(inside) == 1:
                yield inside[0]


def _sum(names: Sequence[str], ours: str, log: LogColumns, typed: Typed) -> Found:
    """Two columns, and further ones that count as nothing where they are not given."""
    columns = [typed(log.columns[name], ours, name) for name in names]
    total = pc.add(columns[0], columns[1])
    for further in columns[2:]:
        total = pc.add(total, pc.fill_null(further, 0.0))
    return total, " + ".join(names)


def _typed(column: pa.ChunkedArray, ours: str, name: str) -> pa.ChunkedArray:
    match ours:
        case "prompt_id" | "golden_task_id" | "stop_reason":
            return texts(column)
        case "success":
            return yes_or_no(column)
        case "tool_calls":
            return counts(column, name=name)
        case _:
            return numbers(column, name=name)


def _runs(columns: Mapping[str, pa.ChunkedArray], log: LogColumns) -> pa.Table:
    """Every column that a decision reads, and those that arms must have alike."""
    n = log.n_runs
    whole: dict[str, pa.ChunkedArray | pa.Array] = {
        name: pa.nulls(n, pa.bool_() if name == "success" else pa.float64()) for name in METRICS
    }
    whole["stop_reason"] = pa.nulls(n, pa.string())
    whole |= columns
    whole["violated_invariants"] = _lists(log.columns.get("violated_invariants"), n)
    for name in FIELDS:
        if name in log.columns:
            whole[name] = _comparable(log.columns[name])
    whole |= _judges(log)
    repeat = log.columns.get("repeat")
    is_number = repeat is not None and pa.types.is_integer(repeat.type) and not repeat.null_count
    whole["repeat"] = repeat if is_number else pa.array(_numbers_in_cells(whole))
    return pa.table(whole)


def _judges(log: LogColumns) -> dict[str, pa.ChunkedArray]:
    """What judges said; nothing where the log is not one of ours that knows of judges."""
    if not set(JUDGES).issubset(log.columns):
        return {}
    kinds = {"judge_model": pa.string(), "success_without_judge": pa.bool_()}
    try:
        return {name: pc.cast(log.columns[name], kinds.get(name, pa.float64())) for name in JUDGES}
    except pa.ArrowException:  # some other harness's columns of these names
        return {}


def _lists(column: pa.ChunkedArray | None, n: int) -> pa.ChunkedArray | pa.Array:
    kind = pa.list_(pa.string())
    try:
        return pa.nulls(n, kind) if column is None else pc.cast(column, kind)
    except pa.ArrowException:  # some other harness's column of this name
        return pa.nulls(n, kind)


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    try:
        return texts(column)
    except Unfit:
        return pa.array([None if each is None else str(each) for each in column.to_pylist()])


def _numbers_in_cells(columns: Mapping[str, pa.ChunkedArray | pa.Array]) -> Ints:
    """1, 2, 3, ... for the runs of each prompt and golden task, in the order of the log."""
    prompts, tasks = (_codes(columns[name]) for name in ("prompt_id", "golden_task_id"))
    cells = prompts * (tasks.max(initial=0) + 1) + tasks
    order = np.argsort(cells, kind="stable")
    lengths = np.bincount(cells)
    starts = np.cumsum(lengths) - lengths
    repeats = np.empty(cells.size, dtype=np.int64)
    repeats[order] = np.arange(cells.size) - starts[cells[order]] + 1
    return repeats


def _codes(column: pa.ChunkedArray) -> Ints:
    """0, 1, 2, ... for each distinct value."""
    codes: Ints = column.combine_chunks().indices.to_numpy().astype(np.int64)
    return codes


def wanted_columns(
    names: Sequence[str],
    *,
    ours: Iterable[str],
    named: Mapping[str, str],
    further: Iterable[str] = (),
) -> set[str]:
    """Every column that may be ours; conversations only where they alone can tell."""
    is_ours, is_inside = is_one_of([*further, *all_names(ours)]), is_one_of(all_names(ANYWHERE))
    kept = {name for name in names if is_ours(name) or is_inside(leaf(name))}
    for one, conversations in CONVERSATIONS.items():
        likely = {key(guess) for guess in GUESSES[one]}
        if one not in named and not any({key(n), leaf(n)} & likely for n in kept):
            kept |= set(filter(is_one_of(conversations), names))
    return kept | set(named.values()).intersection(names)


def is_one_of(names: Iterable[str]) -> Callable[[str], bool]:
    """Whether a name is one of these, in whatever way it is written."""
    keys = {key(name) for name in names}
    return lambda name: key(name) in keys


def _missing(problem: str, ours: str, log: LogColumns, path: Path) -> InputError:
    return InputError(problem, path=path, mend=f"name it with --column {ours}=NAME; {_there(log)}")


def _there(log: LogColumns) -> str:
    shown = ", ".join(one_line(name, max_chars=60) for name in log.names[:MAX_SHOWN_NAMES])
    return f"the columns are: {shown}"
