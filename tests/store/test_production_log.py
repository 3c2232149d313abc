"""Production's run logs in every format, as they are found while they are written."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from assay.errors import InputError
from assay.store.log_values import Unfit, known_amounts, moments
from assay.store.production_log import ProductionLog, read_production_log
from tests.fakes.production import Production

T0 = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read(folder: Path, pattern: str = "*", **named: str) -> ProductionLog:
    return read_production_log(folder, pattern, named=named, since=T0)


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return Production(tmp_path / "none", "a:v1:aaaaaaaaaaaa", "a:v2:aaaaaaaaaaaa", at=T0).rows(50)


def test_three_formats_say_the_same(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """Who moves from JSON lines to Parquet must see no other verdict."""
    table = pa.Table.from_pylist(rows)
    for name in ("json", "csv", "parquet"):
        (tmp_path / name).mkdir()
    (tmp_path / "json" / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pyarrow.csv.write_csv(table, tmp_path / "csv" / "a.csv")
    pq.write_table(table.slice(0, 20), tmp_path / "parquet" / "a.parquet")
    pq.write_table(table.slice(20), tmp_path / "parquet" / "b.parquet")
    logs = [read(tmp_path / name) for name in ("json", "csv", "parquet")]
    assert logs[0].runs.num_rows == 50
    assert logs[0].runs.equals(logs[1].runs)
    assert logs[0].runs.equals(logs[2].runs)
    assert [log.n_files for log in logs] == [1, 1, 2]
    assert not any(log.passed_over for log in logs)


def test_runs_count_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    """By its start, a long run that is still under way would change the past when it ends."""
    long = {"run_id": "long", "prompt_id": "a", "started_at": T0.isoformat(), "latency_s": 100}
    short = {
        "run_id": "short",
        "prompt_id": "a",
        "started_at": (T0 + timedelta(seconds=5)).isoformat(),
        "latency_s": 1,
    }
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(long)}\n{json.dumps(short)}\n")
    assert read(tmp_path).runs["run_id"].to_pylist() == ["short", "long"]


def test_a_csv_row_that_is_half_written_is_passed_over(tmp_path: Path) -> None:
    """The watch reads while production writes."""
    lines = [f"r{n},a:v1,2026-11-25T04:00:0{n}Z,100" for n in range(3)]
    text = "\n".join(["run_id,prompt_id,started_at,total_tokens", *lines, "r3,a:v1"])
    (tmp_path / "a.csv").write_text(text)
    log = read(tmp_path)
    assert log.runs.num_rows == 3
    assert log.passed_over == {"line that is no run": 1}


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-25T04:00:01Z",
        "2026-11-25 05:00:01+01:00",
        "2026-11-25T04:00:01",
        1795579201,
        1795579201000,
        "1795579201.0",
        1795579201000000000,
    ],
)
def test_times_are_read_as_they_are_written(tmp_path: Path, time: object) -> None:
    """In ISO 8601, UTC where no zone is said, or counted since 1970 in any unit."""
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt_id": "a", "timestamp": time}) + "\n")
    assert read(tmp_path).runs["started_at"].to_pylist() == [T0 + timedelta(seconds=1)]


def test_a_file_of_long_ago_is_not_read(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """A year of rotated logs, every five minutes."""
    import os

    old = tmp_path / "old.jsonl"
    old.write_text("not even JSON\n")
    long_ago = (T0 - timedelta(days=1)).timestamp()
    os.utime(old, (long_ago, long_ago))
    assert read(tmp_path).n_files == 0


def test_a_file_that_cannot_be_read_is_said_and_the_others_count(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    """One broken shipper must not blind the watch to the rest."""
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 torn")
    log = read(tmp_path)
    assert log.runs.num_rows == 50
    (said,) = log.passed_over
    assert said.startswith("file that cannot be read")


def test_what_cannot_be_understood_is_an_error(tmp_path: Path) -> None:
    """A log without prompts would be watched in vain for ever."""
    (tmp_path / "a.jsonl").write_text('{"total_tokens": 1, "started_at": "2026-11-25"}\n')
    with pytest.raises(InputError, match="no column for the prompt"):
        read(tmp_path)
    with pytest.raises(InputError, match="there is no column 'used'"):
        read(tmp_path, total_tokens="used")


def test_values_that_are_none_are_not_known() -> None:
    """Never 0, which would make the canary look cheap."""
    column = pa.chunked_array([pa.array(["1", "-1", "x", None, "1e99", "nan"])])
    assert known_amounts(column).to_pylist() == [1.0, None, None, None, None, None]
    with pytest.raises(Unfit):
        moments(pa.chunked_array([pa.array(["soon", "later"])]))
