"""Run logs as they lie on disk: JSON lines, CSV or Parquet, read into flat columns.

Nested objects become columns `outer.inner`. Only columns that somebody asks for are read:
a log may carry gigabytes of transcripts.
"""

import codecs
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from assay.errors import InputError
from assay.otlp.files import is_otlp, rows_of
from assay.wording import one_line

MAX_BYTES_OF_A_LINE = 64 * 2**20
MAX_NESTING = 2
"""Objects within which the list of runs is looked for."""
MAX_INDENT = 64
MAX_DEPTH = 5_000
"""Arrow's reader crashed the process at 20,000."""
FORMATS = "give .jsonl, .csv, .parquet or a folder of .parquet"

EVENT, START = "event", "agent_start"
"""A line that a production client writes when a run starts: no run yet."""

Wanted = Callable[[Sequence[str]], Collection[str]]
"""Of the names of all columns those that somebody will ask for."""
Is = Callable[[str], bool]
OnBadLine = Callable[[int], None]
LISTS = ("runs", "simulations", "trials", "results", "samples", "rows", "records", "data")
"""What the list of runs is called, where a file is one object that holds it."""


@dataclass(frozen=True, slots=True)
class LogColumns:
    """The columns of a log that were asked for."""

    columns: Mapping[str, pa.ChunkedArray]
    """By name, all of one length."""
    names: tuple[str, ...]
    """Of all columns that there are, for messages."""
    n_runs: int


def read_columns(
    path: Path, *, wanted: Wanted, texts: Is, on_bad_line: OnBadLine | None = None
) -> LogColumns:
    """Read a run log.

    Args:
        path: `.jsonl`, `.ndjson`, `.json` (also of OpenTelemetry's traces), `.csv`, `.parquet`,
            a folder of `.parquet`, or the folder of an evaluation.
        wanted: Which columns to read.
        texts: Which columns of a CSV hold text, though they look like numbers (`1.10`).
        on_bad_line: Called with the number of a line of JSON or CSV that is no run (it may be
            half written), which is passed over; else it is an error.

    Raises:
        InputError: There is no such file, it cannot be read, or it holds no runs.
    """
    if not path.exists():
        raise InputError("no such file", path=path, mend=FORMATS)
    try:
        table, names = _read(
            path,
            wanted=lambda names: {*wanted(names), *({EVENT} & set(names))},
            texts=lambda name: name == EVENT or texts(name),
            on_bad_line=on_bad_line,
        )
        n_lines, table = len(table), _without_starts(table)
    except (pa.ArrowException, OSError, UnicodeError) as refused:
        words = one_line(" ".join(str(refused).split()), max_chars=300)
        raise InputError(f"cannot be read: {words}", path=path, mend=FORMATS) from None
    if not len(table) and not (n_lines and on_bad_line):  # a live log may have begun just now
        raise InputError("it holds no runs", path=path, mend="name a log of finished runs")
    columns: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns.setdefault(name, column)
    return LogColumns(columns, names, len(table))


def _without_starts(table: pa.Table) -> pa.Table:
    if EVENT not in table.column_names:
        return table
    event = table[EVENT]
    if pa.types.is_dictionary(event.type):
        event = event.cast(event.type.value_type)
    if not (pa.types.is_string(event.type) or pa.types.is_large_string(event.type)):
        return table
    return table.filter(pc.fill_null(pc.not_equal(event, START), True))


def _read(
    path: Path, *, wanted: Wanted, texts: Is, on_bad_line: OnBadLine | None
) -> tuple[pa.Table, tuple[str, ...]]:
    if path.is_dir():
        runs = path / "runs"  # of an evaluation
        return _parquet(runs if runs.is_dir() else path, wanted)
    match path.suffix.lower():
        case ".parquet":
            return _parquet(path, wanted)
        case ".csv":
            return _selected(_csv(path, texts, on_bad_line), wanted)
        case ".jsonl" | ".ndjson" | ".json":
            return _selected(_json(path, wanted, on_bad_line), wanted)
        case other:
            what = f"{other!r}" if other else "a file without an ending"
            raise InputError(f"{what} is no run log", path=path, mend=FORMATS)


def _parquet(path: Path, wanted: Wanted) -> tuple[pa.Table, tuple[str, ...]]:
    # Of a single file the folders' names (`model=x/`) are no columns.
    partitioning = "hive" if path.is_dir() else None
    dataset = pq.ParquetDataset(path, partitioning=partitioning, pre_buffer=False)
    names = tuple(_flat(dataset.schema.empty_table()).column_names)
    texts = [field.name for field in dataset.schema if pa.types.is_string(field.type)]
    if texts:  # a number and a dictionary take a tenth of the memory
        dataset = pq.ParquetDataset(
            path, partitioning=partitioning, pre_buffer=False, read_dictionary=texts
        )
    kept = wanted(names)
    tops = {name.partition(".")[0] for name in kept}
    columns = [name for name in dataset.schema.names if name in tops or name in kept]
    # One column after the other: threads would hold the bytes of all of them at once.
    return _selected(dataset.read(columns=columns, use_threads=False), wanted)[0], names


def _csv(path: Path, texts: Is, on_bad_line: OnBadLine | None) -> pa.Table:
    def pass_over(row: pyarrow.csv.InvalidRow) -> str:
        if on_bad_line is not None:
            on_bad_line(row.number or 0)
        return "error" if on_bad_line is None else "skip"

    blocks = pyarrow.csv.ReadOptions(block_size=MAX_BYTES_OF_A_LINE)
    parse = pyarrow.csv.ParseOptions(invalid_row_handler=pass_over)
    names_only = pyarrow.csv.ParseOptions(invalid_row_handler=lambda _: "skip")
    with pyarrow.csv.open_csv(path, read_options=blocks, parse_options=names_only) as reader:
        names = reader.schema.names
    kept = {name: pa.string() for name in names if texts(name)}
    options = pyarrow.csv.ConvertOptions(column_types=kept)
    return pyarrow.csv.read_csv(
        path, read_options=blocks, parse_options=parse, convert_options=options
    )


def _json(path: Path, wanted: Wanted, on_bad_line: OnBadLine | None) -> pa.Table:
    if is_otlp(path):
        return _table(rows_of(_otlp_requests(path, on_bad_line)), wanted)
    if path.suffix.lower() == ".json" and (whole := _list_of_runs(path)) is not None:
        return _table(_objects(enumerate(whole, start=1), path), wanted)
    options = pyarrow.json.ReadOptions(block_size=MAX_BYTES_OF_A_LINE)
    try:
        if _is_safe_for_arrow(path):
            table = pyarrow.json.read_json(path, read_options=options)
            table.validate(full=True)  # it takes text that is not UTF-8
            return table
    except pa.ArrowException:
        # Any column that changes its type makes it give up. Python's reader is slower, and
        # knows the line.
        pass
    return _table(_objects(_values(path, on_bad_line), path, on_bad_line), wanted)


def _otlp_requests(path: Path, on_bad_line: OnBadLine | None) -> Iterator[dict[str, Any]]:
    """One a line, as a collector writes them, or the whole file."""
    try:
        whole = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        yield from _objects(_values(path, on_bad_line), path, on_bad_line)
    else:
        yield from _objects([(1, whole)], path, on_bad_line)


def _is_safe_for_arrow(path: Path) -> bool:
    """Whether each line is an object and none may be nested so deeply that the reader crashes.

    Arrow's reader is recursive, and dereferences nothing at a line that is a bare `null`.
    """
    with path.open("rb") as lines:
        return all(_is_safe_line(line) for line in lines)


def _is_safe_line(line: bytes) -> bool:
    start = line[:MAX_INDENT].lstrip()[:1]
    if start != b"{":
        return not line.strip()
    return len(line) <= 2 * MAX_DEPTH or line.count(b"[") + line.count(b"{") <= MAX_DEPTH


def _list_of_runs(path: Path) -> list[Any] | None:
    """The runs in a file that is one object: `{"info": ..., "simulations": [run, ...]}`."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None  # mostly it is one object a line
    for _ in range(MAX_NESTING):
        if not isinstance(value, dict):
            return None
        inner = next((value[name] for name in LISTS if name in value), None)
        if isinstance(inner, list):
            return inner
        value = inner
    return None


def _table(runs: Iterable[dict[str, Any]], wanted: Wanted) -> pa.Table:
    """JSON objects whose values may change their types."""
    rows = [dict(_leaves(each)) for each in runs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    kept = wanted(names)
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows] if name in kept else [None] * len(rows)
        columns[name] = _array(values)
    return pa.table(columns)


def _objects(
    values: Iterable[tuple[int, Any]], path: Path, on_bad_line: OnBadLine | None = None
) -> Iterator[dict[str, Any]]:
    for number, value in values:
        if not isinstance(value, dict):
            if on_bad_line is not None:
                on_bad_line(number)
                continue
            raise InputError("a run is a JSON object", path=path, line=number, mend=FORMATS)
        yield value


def _values(path: Path, on_bad_line: OnBadLine | None) -> Iterator[tuple[int, Any]]:
    """With their numbers: of the line, or in the list."""
    raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if raw.lstrip()[:1] == b"[":
        yield from enumerate(_parsed(raw, path=path, line=None), start=1)
        return
    for number, content in enumerate(raw.split(b"\n"), start=1):
        if not content.strip():
            continue
        try:
            yield number, _parsed(content, path=path, line=number)
        except InputError:
            if on_bad_line is None:
                raise
            on_bad_line(number)


def _parsed(raw: bytes, *, path: Path, line: int | None) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as bad:
        problem = f"not valid JSON: {one_line(str(bad), max_chars=200)}"
        mend = "write each run whole, on one line of its own"
        raise InputError(problem, path=path, line=line, mend=mend) from None


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested objects as `outer.inner`."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([_text(value) for value in values], type=pa.string())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _flat(table: pa.Table) -> pa.Table:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _selected(table: pa.Table, wanted: Wanted) -> tuple[pa.Table, tuple[str, ...]]:
    """The wanted columns, flat; and the names of all there are."""
    flat = _flat(table)
    names = wanted(flat.column_names)
    kept = [number for number, name in enumerate(flat.column_names) if name in names]
    return flat.select(kept), tuple(flat.column_names)
