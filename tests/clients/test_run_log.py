"""The run log that production writes: what is in it, and what cannot spoil it."""

import json
import multiprocessing
import os
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from assay import prompts
from assay.errors import InputError
from assay.prompts.client import Client
from assay.prompts.run import COUNTS
from assay.prompts.run_log import RunLog
from assay.records import RunRecord
from assay.store.production_log import read_production_log
from assay.store.run_log import read_run_log
from tests.clients.conftest import config_text


@pytest.fixture
def client(config: Path) -> Client:
    return prompts.open(config)


def lines_of(config: Path) -> list[dict[str, Any]]:
    return lines_in(config.parent / "logs")


def lines_in(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("runs-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def test_a_run_is_a_line_at_its_start_and_one_at_its_end(client: Client, config: Path) -> None:
    """A run that hangs is seen by its start, and known by its prompt_id."""
    choice = client.choose("ana@example.com")
    with client.run(choice, category="refund", model="small") as run:
        (start,) = lines_of(config)
        run.report(input_tokens=800, output_tokens=95, tool_calls_by_tool={"kb.search": 2})
        run.report(output="Done.", success=True, spend_usd=0.002)
    _, end = lines_of(config)
    assert (start["event"], end["event"]) == ("agent_start", "agent_end")
    assert start["run_id"] == end["run_id"] == run.run_id
    assert start["prompt_id"] == end["prompt_id"] == choice.prompt_id
    assert start["budgets"] == {
        "max_steps": 25, "max_tool_calls": 12, "max_seconds": 60, "max_tokens": None,
        "max_spend_usd": None,
    }  # fmt: skip
    assert (end["total_tokens"], end["tool_calls"], end["stop_reason"]) == (895, 2, "finish")
    assert end["started_at"] <= end["ended_at"]
    assert "ana@example.com" not in json.dumps([start, end])


def test_the_columns_are_those_of_a_run(client: Client, config: Path) -> None:
    """What reads an evaluation's runs reads production's."""
    with client.run(client.choose("k")):
        pass
    end = lines_of(config)[-1]
    assert set(end) - {"event", "ended_at"} <= set(RunRecord.model_fields)


def test_an_exception_ends_the_run_and_goes_on(client: Client, config: Path) -> None:
    """A crashed run is a row, and the agent's own handling is not changed."""
    with pytest.raises(ZeroDivisionError), client.run(client.choose("k")):
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), client.run(client.choose("k")):
        raise KeyboardInterrupt
    ends = [line for line in lines_of(config) if line["event"] == "agent_end"]
    assert [end["stop_reason"] for end in ends] == ["agent_error", "cancelled"]
    assert ends[0]["error"] == "ZeroDivisionError: division by zero"


def test_a_run_ends_once(client: Client, config: Path) -> None:
    """Two ends would be two runs to a reader that counts lines."""
    with client.run(client.choose("k")) as run:
        run.end(stop_reason="max_steps")
    assert [line["event"] for line in lines_of(config)] == ["agent_start", "agent_end"]
    assert lines_of(config)[1]["stop_reason"] == "max_steps"


@pytest.mark.parametrize("choice", [None, "", "support:v2", {"prompt_id": "support:v2:0"}])
def test_a_run_without_its_prompt_is_not_logged(client: Client, choice: Any) -> None:
    """A line without prompt_id is what cost the incident its two hours."""
    with pytest.raises(InputError, match="needs the version"):
        client.run(choice)


def test_the_prompt_id_is_left_out_only_where_both_keys_say_so(config: Path) -> None:
    """`log_prompt_id: false` alone is refused; see the client's tests."""
    text = config_text().replace("prompts:\n", "prompts:\n  require_prompt_id: false\n")
    config.write_text(text + "observability: {log_prompt_id: false}\n")
    client = prompts.open(config)
    with client.run(client.choose("k")):
        pass
    assert [line["prompt_id"] for line in lines_of(config)] == [None, None]


def test_what_is_no_amount_is_not_known(client: Client, config: Path) -> None:
    """A provider's odd answer must neither stop the agent nor become a number."""
    odd: list[Any] = ["12", -1, float("nan"), float("inf"), 1.5, True, [], object(), 10**400]
    for value in odd:
        with client.run(client.choose("k")) as run:
            run.report(**dict.fromkeys(COUNTS, value), success="yes", output=7)  # type: ignore[arg-type]
    ends = [line for line in lines_of(config) if line["event"] == "agent_end"]
    assert len(ends) == len(odd)
    assert all(end[name] is None for end in ends for name in (*COUNTS, "success", "output"))


def test_numbers_of_other_kinds_are_numbers(client: Client, config: Path) -> None:
    """NumPy's and Decimal's are common in agents."""
    with client.run(client.choose("k")) as run:
        run.report(total_tokens=np.int64(7), spend_usd=Decimal("0.25"))  # type: ignore[arg-type]
    end = lines_of(config)[-1]
    assert (end["total_tokens"], end["spend_usd"]) == (7, 0.25)


def test_texts_are_bounded_and_whole(client: Client, config: Path) -> None:
    """An output of a gigabyte, half a character or a line break spoils no line."""
    with client.run(client.choose("k")) as run:
        run.report(output="a\n\u2028\ud83d" + "x" * 10**6, error="\0" * 10**5)
    raw = next((config.parent / "logs").iterdir()).read_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == 2
    assert len(raw) < 100_000
    assert lines_of(config)[-1]["output"].startswith("a\n\u2028\ufffdx")


def test_an_input_is_logged_only_if_it_is_given_and_whole(client: Client, config: Path) -> None:
    """A part of a question is another question; without being told so, users are not quoted."""
    longest = "x" * 20_000
    for asked in ("Is it \u00e9?", longest, longest + "x", None):
        with client.run(client.choose("k"), input=asked):
            pass
    starts, ends = lines_of(config)[::2], lines_of(config)[1::2]
    for lines in (starts, ends):
        assert [line.get("input") for line in lines] == ["Is it \u00e9?", longest, None, None]
    assert "input" not in ends[-1]


def test_the_canary_and_compare_read_it(client: Client, config: Path) -> None:
    """Starts are no runs: neither that of a run that ended nor that of one that hangs."""
    for number in range(3):
        with client.run(client.choose("k"), golden_task_id=f"t{number}") as run:
            run.report(total_tokens=100 + number, tool_calls=number, success=True)
    client.run(client.choose("k")).start()
    since = datetime.now(UTC) - timedelta(hours=1)
    log = read_production_log(config.parent, "logs/runs-*.jsonl", named={}, since=since)
    assert log.runs["total_tokens"].to_pylist() == [100, 101, 102]
    assert set(log.runs["prompt_id"].to_pylist()) == {client.choose("k").prompt_id}
    assert not log.passed_over
    (file,) = (config.parent / "logs").iterdir()
    compared = read_run_log(file, named={})
    assert pc.sum(compared.runs["tool_calls"]).as_py() == 3
    assert len(compared.runs) == 3


def test_a_log_of_starts_alone_holds_no_runs(client: Client, config: Path) -> None:
    """All runs hang: that is no file that cannot be read."""
    client.run(client.choose("k")).start()
    since = datetime.now(UTC) - timedelta(hours=1)
    log = read_production_log(config.parent, "logs/*.jsonl", named={}, since=since)
    assert (len(log.runs), log.passed_over) == (0, {})


def test_a_full_file_is_left_and_a_new_one_begun(tmp_path: Path) -> None:
    """No line is lost or cut by it."""
    log = RunLog(tmp_path, max_bytes=200)
    for number in range(50):
        log.append({"event": "agent_end", "run_id": str(number), "output": "x" * 40})
    files = list(tmp_path.iterdir())
    assert len(files) > 5
    assert all(file.stat().st_size <= 200 for file in files)
    assert {line["run_id"] for line in lines_in(tmp_path)} == {str(number) for number in range(50)}


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(config: Path) -> None:
    """A full or read-only disk is no outage of the agent."""
    (config.parent / "logs").write_text("a file where the folder should be")
    told: list[Exception] = []
    client = prompts.open(config, on_error=told.append)
    for _ in range(3):
        with client.run(client.choose("k")) as run:
            run.report(total_tokens=1)
    assert client.run_log.lost == 6
    assert [type(each) for each in told] == [FileExistsError]
    assert str(client.run_log.error) == str(told[0])
    (config.parent / "logs").unlink()
    with client.run(client.choose("k")):
        pass
    assert client.run_log.error is None
    assert len(lines_of(config)) == 2


def test_a_file_that_was_deleted_loses_no_further_line(tmp_path: Path) -> None:
    """Who keeps the logs tidies up while agents run."""
    log = RunLog(tmp_path)
    log.append({"run_id": "1"})
    next(tmp_path.iterdir()).unlink()
    log.append({"run_id": "2"})
    assert lines_in(tmp_path) == [{"run_id": "2"}]


def test_a_torn_line_never_spoils_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk was full for a moment, in the middle of a line."""
    log, real = RunLog(tmp_path), os.write
    log.append({"run_id": "1"})
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: real(file, data[:5]))
        log.append({"run_id": "2"})
    log.append({"run_id": "3"})
    lines = next(tmp_path.iterdir()).read_bytes().splitlines()
    assert lines == [b'{"run_id":"1"}', b'{"run', b'{"run_id":"3"}']
    assert log.lost == 1


def _write(log: RunLog, process: int) -> None:
    for number in range(200):
        log.append({"run_id": f"{process}-{number}", "output": "x" * 5_000})


def test_processes_never_mix_their_lines(tmp_path: Path) -> None:
    """Forked workers share the client that was opened before them."""
    log = RunLog(tmp_path, max_bytes=200_000)
    log.append({"run_id": "parent"})
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests leave threads behind
        workers = [context.Process(target=_write, args=(log, number)) for number in range(4)]
        for worker in workers:
            worker.start()
    _write(log, 4)
    for worker in workers:
        worker.join()
    found = [line["run_id"] for line in lines_in(tmp_path)]
    assert len(found) == len(set(found)) == 1 + 5 * 200


def test_a_killed_process_leaves_its_start(config: Path) -> None:
    """`kill -9` in the middle of a run: the run is known, with what it ran."""
    program = (
        "import os, signal\n"
        "from assay import prompts\n"
        f"client = prompts.open({str(config)!r})\n"
        "with client.run(client.choose('k')):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    (start,) = lines_of(config)
    assert start["event"] == "agent_start"
    assert start["prompt_id"].startswith("support:v2:")
