"""Reading on in logs that grow, are rotated, cut, replaced, torn: as if all were read anew."""

import csv
import json
import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assay.monitors import following
from assay.monitors.book import FOLDER, NAME
from assay.monitors.figures import by_prompt, total
from assay.monitors.looking import MonitorLook
from tests.monitors.conftest import NOW, V12, V13, Desk, Row, run, start
from tests.otlp.spans import a_run, request

NewDesk = Callable[[], Desk]


def seen(found: MonitorLook) -> tuple[Any, ...]:
    hours = [(each.at, each.prompt_id, each.figures) for each in found.hours]
    return hours, found.hung


class Life:
    """A log and what becomes of it; in `all`, everything that was ever written to it."""

    def __init__(self, desk: Desk, all_: Desk) -> None:
        self.desk, self.all, self.log = desk, all_, "runs-0.jsonl"

    @property
    def path(self) -> Path:
        return self.desk.logs / self.log

    def write(self, *rows: Row) -> None:
        self.desk.log(*rows, name=self.log)
        self.all.log(*rows)

    def run(self, number: int) -> None:
        self.write(start(number, ago_s=200), run(number, ago_s=number * 300))

    def hang(self, number: int) -> None:
        self.write(start(number, ago_s=500))

    def end(self, number: int) -> None:
        self.write(run(max(number - 1, 0), prompt_id=V12))

    def again(self, number: int) -> None:
        self.write(run(0, ago_s=100 - number, total_tokens=number))

    def nameless(self, number: int) -> None:
        self.write(run(None, prompt_id=None, total_tokens="many") | {"run_id": None})

    def tear(self, number: int) -> None:
        self.desk.look()
        if self.path.exists():
            with self.path.open("a") as file:
                file.write(f'{{"event":"agent_end","run_id":"torn-{number}"\n')

    def rotate(self, number: int) -> None:
        if self.path.exists():
            self.path.rename(self.desk.logs / f"runs-{number}-old.jsonl")

    def cut(self, number: int) -> None:
        self.desk.look()
        if self.path.exists():
            os.truncate(self.path, 0)

    def replace(self, number: int) -> None:
        self.desk.look()
        self.path.unlink(missing_ok=True)
        self.run(number + 1000)

    def look(self, number: int) -> None:
        self.desk.look()


STEPS = (
    Life.run, Life.hang, Life.end, Life.again, Life.nameless, Life.tear, Life.rotate, Life.cut,
    Life.replace, Life.look,
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=25))
@example(steps=[Life.run, Life.cut, Life.tear, Life.hang])
@example(steps=[Life.run, Life.cut, Life.tear, Life.look, Life.run, Life.hang])
def test_whatever_becomes_of_a_log_each_run_counts_once(
    new_desk: NewDesk, steps: list[Callable[[Life, int], None]]
) -> None:
    """The digest is a shortcut: it must say what all that was written says, read at once."""
    life = Life(new_desk(), new_desk())
    for number, step in enumerate(steps):
        step(life, number)
    assert seen(life.desk.look()) == seen(life.all.look())
    assert seen(life.desk.look()) == seen(life.all.look())


def test_a_line_that_is_not_whole_yet_is_read_when_it_is(desk: Desk) -> None:
    """A look may come in the middle of a write."""
    whole = desk.log(run(1), run(2)).read_text()
    (desk.logs / "runs-1.jsonl").write_text(whole[:-20])
    assert total(desk.look().hours).runs == 1
    (desk.logs / "runs-1.jsonl").write_text(whole)
    found = desk.look()
    assert (total(found.hours).runs, found.passed_over) == (2, {})


def test_a_kill_in_the_middle_loses_nothing_and_counts_nothing_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place in the file and the runs before it are kept together, or not at all."""
    monkeypatch.setattr(following, "CHUNK", 1000)
    desk.log(*(run(number) for number in range(50)))
    real, calls = following.read_lines, iter(range(99))

    def killed(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(following, "read_lines", killed)
    with pytest.raises(KeyboardInterrupt):
        desk.look()
    found = desk.look()
    assert (total(found.hours).runs, found.passed_over) == (50, {})


def test_when_the_time_is_up_the_rest_is_left_for_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`assay status` must answer at once, however much was logged since the last look."""
    monkeypatch.setattr(following, "CHUNK", 1000)
    size = desk.log(*(run(number) for number in range(50))).stat().st_size
    ticks = iter(range(1000))
    monkeypatch.setattr(following.time, "monotonic", lambda: float(next(ticks)))
    some = desk.look(within_s=5)
    assert 0 < total(some.hours).runs < 50
    assert 0 < some.behind_bytes < size
    rest = desk.look()
    assert (total(rest.hours).runs, rest.behind_bytes) == (50, 0)


def test_every_format_is_read_as_the_canary_reads_it(new_desk: NewDesk) -> None:
    """A team that logs in its own way must get the same figures."""
    rows = [run(number, ago_s=60 * number, total_tokens=100 * number) for number in range(1, 90)]
    foreign = [{k: v for k, v in row.items() if k != "event"} for row in rows]
    ours = new_desk()
    ours.log(*rows)
    jsonl, table, parquet = new_desk(), new_desk(), new_desk()
    jsonl.log(*foreign)
    table.limit(run_log="logs/*.csv")
    with (table.logs / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, foreign[0])
        writer.writeheader()
        writer.writerows(foreign)
    parquet.limit(run_log="logs/*.parquet")
    pq.write_table(pa.Table.from_pylist(foreign), parquet.logs / "runs.parquet")
    wanted = seen(ours.look())
    for desk in (jsonl, table, parquet):
        assert seen(desk.look()) == wanted
        assert seen(desk.look()) == wanted


def test_a_foreign_log_that_grew_is_counted_once(desk: Desk) -> None:
    """It is read whole again; what it held before must not stay beside that."""
    rows = [{**run(n), "event": None, "run_id": None, "usage": 50} for n in range(30)]
    desk.log(*rows[:10])
    desk.limit(run_log="logs/*.jsonl")
    desk.path.write_text(desk.path.read_text() + "  canary: {columns: {total_tokens: usage}}\n")
    assert total(desk.look().hours).runs == 10
    desk.log(*rows[10:])
    found = desk.look()
    assert (total(found.hours).runs, total(found.hours).tokens.mean) == (30, 50)


def test_traces_in_a_file_are_runs(desk: Desk) -> None:
    """A collector that writes files is the least that one can set up."""
    desk.limit(run_log="logs/traces.jsonl")
    lines = [json.dumps(request([*a_run(n)])) for n in (1, 2)]
    (desk.logs / "traces.jsonl").write_text("\n".join(lines) + "\n")
    found = desk.look(now=NOW - timedelta(days=64))
    assert {p: f.runs for p, f in by_prompt(found.hours).items()} == {V13: 2}
    assert total(found.hours).tool_calls.mean == 1


def test_what_cannot_be_counted_is_said(desk: Desk) -> None:
    """A hole in the data must not look like little traffic."""
    desk.log(run(1), run(1), run(2, prompt_id=None), run(3, ended_at="soon", started_at=None))
    (desk.logs / "runs-2.jsonl").write_bytes(b'{"event":"agent_end"\n\xff\xfe\n[1]\n')
    found = desk.look()
    assert found.passed_over["line of a run that is logged again"] == 1
    assert found.passed_over["run without prompt_id"] == 1
    assert found.passed_over["run without its time"] == 1
    assert {p: f.runs for p, f in by_prompt(found.hours).items()} == {V13: 1, "": 1}


@pytest.mark.parametrize("spoilt", [b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_digest_that_is_broken_is_made_again(desk: Desk, spoilt: bytes) -> None:
    """Nothing in it is worth an error at night."""
    desk.log(run(1))
    desk.look()
    (desk.folder / "results" / FOLDER / NAME).write_bytes(spoilt)
    assert total(desk.look().hours).runs == 1


def test_a_digest_of_another_version_is_made_again(desk: Desk) -> None:
    """An update of Assay changes its tables."""
    desk.log(run(1))
    desk.look()
    with sqlite3.connect(desk.folder / "results" / FOLDER / NAME) as other:
        other.execute("pragma user_version = 99")
        other.execute("drop table hours")
    other.close()
    assert total(desk.look().hours).runs == 1


def test_without_a_place_for_the_digest_the_logs_are_read(desk: Desk) -> None:
    """A look needs to write nothing."""
    desk.log(run(1))
    (desk.folder / "results").write_text("a file where the folder should be")
    assert total(desk.look().hours).runs == 1


def test_runs_older_than_a_week_are_let_go(desk: Desk) -> None:
    """The digest of a year must not grow for a year."""
    log = desk.log(run(1), run(2, ago_s=9 * 86_400), start(3, ago_s=9 * 86_400))
    assert total(desk.look().hours).runs == 1
    later = NOW + timedelta(days=9)
    found = desk.look(now=later)
    assert (found.hours, found.hung) == ([], {})
    assert isinstance(log, Path)
