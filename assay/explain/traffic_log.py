"""Run logs of production as what `assay explain` compares: any JSON lines, CSV or Parquet.

Only what tells runs apart is read: when, which prompt, model and tools, what kind of request,
whose, and what it cost. A value that is none is not known; a run without its prompt is
counted and passed over.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import InputError
from assay.store.log_files import LogColumns, read_columns
from assay.store.log_names import CATEGORY, all_names, key, likeliest
from assay.store.log_values import TIME, Unfit, known_amounts, moments, texts
from assay.store.run_log import find_column, is_one_of, wanted_columns
from assay.wording import one_line

AMOUNTS = ("total_tokens", "tool_calls", "spend_usd")
NEEDED = ("prompt_id", "run_id", "stop_reason", "started_at", "ended_at", *AMOUNTS)
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "model": (
        "model", "gen_ai.response.model", "gen_ai.request.model", "model_name", "model_id",
    ),
    "model_params_hash": ("model_params_hash",),
    "tools_hash": ("tools_hash", "tool_schema_hash"),
    "agent": ("agent", "gen_ai.agent.name"),
    "budgets_hash": ("budgets_hash",),
}  # fmt: skip
"""What else an answer depends on; all of it together is `model or tools`."""
TRAFFIC: Mapping[str, tuple[str, ...]] = {
    "category": CATEGORY,
    "golden_task_id": ("golden_task_id", "task_id"),
    "input": ("input", "question", "query", "user_message", "input_text"),
    "user": ("user", "user_id", "user_key", "customer_id", "account_id"),
}
"""What was asked, and by whom."""
PRICES: Mapping[str, tuple[str, ...]] = {"price_table": ("price_table",)}
FURTHER = {**ENVIRONMENT, **TRAFFIC, **PRICES}
CONVERSATIONS = ("sessionid", "conversationid")
"""What is taken for a run's id elsewhere, and names several runs."""
COLUMNS = (*NEEDED, *FURTHER)
"""Names that `--column` takes."""


@dataclass(frozen=True, slots=True)
class TrafficLog:
    """Runs, and what was passed over."""

    runs: pa.Table
    """`prompt_id`, `at`, the amounts, what of `FURTHER` the logs have, `file` (its number)."""
    passed_over: Mapping[str, int]
    sources: Mapping[str, str]
    """Our column -> the log's, in the first file that has it."""


def read_traffic(
    paths: Sequence[Path], *, named: Mapping[str, str], sides: Collection[Path] = ()
) -> TrafficLog:
    """Read all runs of some logs, each run once.

    Args:
        paths: Files, folders of Parquet, or folders of evaluations.
        named: Our column -> the log's, where the user says so.
        sides: Those of the paths that are compared with each other.

    Raises:
        InputError: One cannot be read, or has no prompt; a named column is in none; a run is
            in both sides.
    """
    passed_over: dict[str, int] = {}
    sources: dict[str, str] = {}
    tables = [_read(path, number, named, passed_over, sources) for number, path in enumerate(paths)]
    for ours, name in named.items():
        if ours not in sources:
            raise InputError(f"--column {ours}: there is no column {one_line(name)!r} in the logs")
    runs = pa.concat_tables(tables, promote_options="default")
    _check_apart(runs, [paths.index(side) for side in sides])
    return TrafficLog(_kept(runs, passed_over), passed_over, sources)


def _read(
    path: Path,
    number: int,
    named: Mapping[str, str],
    passed_over: dict[str, int],
    sources: dict[str, str],
) -> pa.Table:
    def pass_over(_line: int) -> None:
        _count(passed_over, "line that is no run")

    names = [name for each in FURTHER.values() for name in each]
    text_names = [*all_names(("prompt_id", "run_id", "stop_reason")), *names]
    log = read_columns(
        path,
        wanted=partial(wanted_columns, ours=NEEDED, named=named, further=names),
        texts=is_one_of([*text_names, *(v for k, v in named.items() if k not in AMOUNTS)]),
        on_bad_line=pass_over,
    )
    columns = dict(_columns(log, path, named, sources))
    if key(sources.get("run_id", "")) in CONVERSATIONS:  # of several runs, which belong together
        columns.setdefault("user", columns.pop("run_id", pa.nulls(log.n_runs, pa.string())))
    if "prompt_id" not in columns:
        raise InputError(
            "no column for the prompt of a run",
            path=path,
            mend="name it with --column prompt_id=NAME",
        )
    began, ended = columns.pop("started_at", None), columns.pop("ended_at", None)
    times = [each for each in (began, ended) if each is not None]
    columns["at"] = pc.coalesce(*times) if times else pa.nulls(log.n_runs, TIME)
    columns["file"] = pa.array(np.full(log.n_runs, number))
    return pa.table(columns)


Column: TypeAlias = pa.ChunkedArray | pa.Array


def _columns(
    log: LogColumns, path: Path, named: Mapping[str, str], sources: dict[str, str]
) -> Iterator[tuple[str, Column]]:
    for ours in NEEDED:
        name = named.get(ours) if named.get(ours) in log.columns else None
        try:
            column, source = find_column(log, ours, name, typed=_typed)
        except InputError as wrong:
            raise InputError(wrong.problem, path=path, mend=wrong.mend) from None
        if column is not None:
            sources.setdefault(ours, source)
            yield ours, column
    for ours, guesses in FURTHER.items():
        likely = (named[ours],) if ours in named else guesses
        for name in likeliest(likely, log.columns):
            try:
                column = _length(log.columns[name]) if ours == "input" else _text(log.columns[name])
            except Unfit:
                continue
            sources.setdefault(ours, name)
            yield ours, column
            break


def _typed(column: pa.ChunkedArray, ours: str, _name: str) -> pa.ChunkedArray:
    if ours in AMOUNTS:
        return known_amounts(column)
    return moments(column) if ours in ("started_at", "ended_at") else _text(column)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(texts(column), pa.string())


def _length(column: pa.ChunkedArray) -> Column:
    """Of a request its length; of a list of messages, as text."""
    try:
        return pc.cast(pc.utf8_length(_text(column)), pa.float64())
    except Unfit:
        return pa.array([None if e is None else float(len(str(e))) for e in column.to_pylist()])


def _check_apart(runs: pa.Table, sides: Sequence[int]) -> None:
    """No run is before and after; ids that begin anew in each file look as if one were."""
    if len(sides) < 2 or "run_id" not in runs.column_names:
        return
    before, after = (
        set(runs.filter(pc.equal(runs["file"], number))["run_id"].to_pylist()) for number in sides
    )
    if both := len((before & after) - {None, ""}):
        raise InputError(
            f"{both:,} run_ids stand in both files, and a run is on one side alone",
            mend="name files of different runs, each run with an id of its own: "
            "--column run_id=NAME",
        )


def _kept(runs: pa.Table, passed_over: dict[str, int]) -> pa.Table:
    """Runs that tell something, each once."""
    has_prompt = pc.fill_null(pc.greater(pc.utf8_length(runs["prompt_id"]), 0), False)
    runs = _where(runs, has_prompt, "run without prompt_id", passed_over)
    if "stop_reason" in runs.column_names:
        outside = pc.is_in(runs["stop_reason"], value_set=pa.array(["infra_error", "cancelled"]))
        runs = _where(runs, pc.invert(outside), "run that the outside stopped", passed_over)
    if "run_id" not in runs.column_names:
        return runs
    ids = runs["run_id"].to_pylist()
    last = {each: place for place, each in enumerate(ids) if each}
    once = pa.array([not each or last[each] == place for place, each in enumerate(ids)], pa.bool_())
    return _where(runs, once, "line of a run that is logged again", passed_over)


def _where(runs: pa.Table, kept: Column, what: str, passed_over: dict[str, int]) -> pa.Table:
    if n := len(runs) - int(pc.sum(kept).as_py() or 0):
        _count(passed_over, what, n)
    return runs.filter(kept)


def _count(passed_over: dict[str, int], what: str, n: int = 1) -> None:
    passed_over[what] = passed_over.get(what, 0) + n
