"""Runs of a version that are like the one that went wrong: in production, else in evaluations."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.config import Config
from assay.errors import InputError
from assay.golden_task import USUAL_STOP
from assay.monitors.looking import run_logs
from assay.stats.samples import Floats
from assay.store.evaluations import evaluations
from assay.store.log_files import read_columns
from assay.store.log_names import CATEGORY, all_names, likeliest
from assay.store.log_values import known_amounts, texts
from assay.store.parquet import read_runs
from assay.store.run_log import find_column, is_one_of, wanted_columns
from assay.wording import one_line

MIN_RUNS = 20
MAX_EVALUATIONS = 10
MAX_LOG_FILES = 30
"""Of each the newest: what is usual now."""
_COLUMNS = ("prompt_id", "total_tokens", "tool_calls", "latency_s", "spend_usd", "stop_reason")


@dataclass(frozen=True, slots=True)
class Similar:
    """Runs of the good version like the one that went wrong."""

    runs: pa.Table
    """Columns category, total_tokens, tool_calls, latency_s, spend_usd, stop_reason."""
    what: str
    """In words: how many, and of what."""

    def known(self, column: str) -> Floats:
        """The values of a column that are known."""
        values: Floats = self.runs[column].drop_null().to_numpy()
        return values

    def mean(self, column: str) -> float | None:
        """Of a column; None where nothing is known."""
        values = self.known(column)
        return float(values.mean()) if values.size else None

    @property
    def stop_reason(self) -> str:
        """How most of them end."""
        counted = Counter(each for each in self.runs["stop_reason"].to_pylist() if each)
        return counted.most_common(1)[0][0] if counted else USUAL_STOP


def similar_runs(config: Config, prompt_id: str, category: str | None) -> Similar | None:
    """Runs of a version in production, else in evaluations; of the category where one is known.

    None where there are fewer than `MIN_RUNS`.

    Raises:
        InputError: A log's columns are not what the configuration says.
    """
    for source, tables in (
        ("in production", _of_production(config)),
        ("in evaluations", _of_evaluations(config)),
    ):
        runs = pa.concat_tables([_NOTHING, *tables])
        runs = runs.filter(pc.fill_null(pc.equal(runs["prompt_id"], prompt_id), False))
        where = source
        if category is not None:
            runs = runs.filter(pc.fill_null(pc.equal(runs["category"], category), False))
            where = f"of category {one_line(category)!r} {source}"
        if len(runs) >= MIN_RUNS:
            return Similar(runs, f"{len(runs):,} runs {where}")
    return None


_TYPES = {
    **{name: pa.string() for name in ("prompt_id", "category", "stop_reason")},
    **{name: pa.float64() for name in ("total_tokens", "tool_calls", "latency_s", "spend_usd")},
}
_NOTHING = pa.schema(list(_TYPES.items())).empty_table()


def _of_production(config: Config) -> list[pa.Table]:
    named, paths = config.rollout.canary.columns, run_logs(config)[-MAX_LOG_FILES:]
    return [table for path in paths if path.stat().st_size and (table := _read(path, named))]


def _read(path: Path, named: Mapping[str, str]) -> pa.Table | None:
    """The columns of a log that are needed; None where it cannot be read at all."""
    further = [named["category"]] if "category" in named else CATEGORY
    try:
        log = read_columns(
            path,
            wanted=partial(wanted_columns, ours=_COLUMNS, named=named, further=further),
            texts=is_one_of([*all_names(("prompt_id", "stop_reason")), *further]),
            on_bad_line=lambda _: None,
        )
    except InputError:
        return None
    columns: dict[str, Any] = {
        ours: find_column(log, ours, named.get(ours), typed=_typed)[0] for ours in _COLUMNS
    }
    category = next(likeliest(further, log.columns), None)
    columns["category"] = None if category is None else log.columns[category]
    return _table(columns, log.n_runs)


def _typed(column: pa.ChunkedArray, ours: str, _name: str) -> pa.ChunkedArray:
    return texts(column) if ours in ("prompt_id", "stop_reason") else known_amounts(column)


def _of_evaluations(config: Config) -> list[pa.Table]:
    names = ["prompt_id", "category", *_COLUMNS[1:]]
    tables = []
    for folder in evaluations(config.folder / config.results.uri)[:MAX_EVALUATIONS]:
        paths = sorted(folder.runs.glob("round-*.parquet"))
        try:
            runs = read_runs(paths, columns=names) if paths else None
        except (OSError, ValueError):  # a damaged one hides no other
            continue
        if runs is not None:
            tables.append(_table({name: runs[name] for name in names}, len(runs)))
    return tables


def _table(columns: Mapping[str, Any], n: int) -> pa.Table:
    whole = {}
    for name, kind in _TYPES.items():
        column = columns[name]
        try:
            whole[name] = pa.nulls(n, kind) if column is None else pc.cast(column, kind)
        except pa.ArrowException:
            whole[name] = pa.nulls(n, kind)
    return pa.table(whole)
