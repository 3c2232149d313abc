"""What an evaluation leaves on disk, read back with what people read Parquet with."""

import json
import math
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest

from assay.store.evaluations import EvaluationFolder
from assay.store.journal import read_lines
from assay.store.parquet import read_runs
from tests.carrying_out import carried_out, judged, planned, what_it_did
from tests.commands import Assay
from tests.conftest import Promoted, Workspace
from tests.fakes.desk_server import DeskServer, point_at

pytestmark = pytest.mark.slow

COLUMNS = """evaluation_id, run_id, prompt_name, prompt_version, prompt_id, golden_task_id,
golden_task_hash, category, repeat, round, agent, model, model_params_hash, tools_hash, started_at,
latency_s, input_tokens, output_tokens, cached_tokens, reasoning_tokens, total_tokens, steps,
tool_calls, tool_calls_by_tool, denied_tool_calls, spend_usd, price_table, stop_reason, success,
failed_checks, violated_invariants, output, error, attempts, trace""".replace("\n", " ").split(", ")
COLUMNS += ["budgets_hash"]
COLUMNS += [
    "success_without_judge",
    "judge_model",
    "judge_agreement",
    "judge_tokens",
    "judge_spend_usd",
]
COLUMNS += ["judge_rulings", "faults_hash", "replayed"]
"""The contract, word for word, and what was added to it since."""


def parquet(promoted: Promoted) -> str:
    """What users' queries name."""
    return str(promoted.workspace / "results" / "*" / "runs" / "*.parquet")


def asked(query: str, promoted: Promoted) -> list[Any]:
    with duckdb.connect() as database:
        return database.execute(query.replace("RUNS", f"'{parquet(promoted)}'")).fetchall()


def test_the_columns_are_the_contracts_names_in_its_order(promoted: Promoted) -> None:
    """Dashboards and notebooks of others are built on them."""
    (file,) = promoted.evaluation.glob("runs/*.parquet")
    assert pq.read_schema(file).names == COLUMNS
    assert [name for name, *_ in asked("DESCRIBE SELECT * FROM RUNS", promoted)] == COLUMNS
    assert list(pd.read_parquet(file).columns) == COLUMNS
    assert pq.read_schema(file).metadata[b"assay.schema_version"] == b"1"


def test_every_run_is_there_once_and_bears_its_prompt_id(promoted: Promoted) -> None:
    """A run that does not say which prompt it ran is no evidence for any."""
    rows = asked(
        "SELECT prompt_id, count(*), count(DISTINCT run_id) FROM RUNS GROUP BY 1", promoted
    )
    lock = (promoted.workspace / "prompts" / "lock.yaml").read_text()
    runs = promoted.decision["runs"]["baseline"]
    assert {row[1:] for row in rows} == {(runs, runs)}
    assert {row[0].rpartition(":")[0] for row in rows} == {"support:v13", "support:v15"}
    assert all(f'"{prompt_id}"' in lock for prompt_id, *_ in rows)


def test_both_prompts_ran_every_golden_task_as_often(promoted: Promoted) -> None:
    """Both arms of a comparison are paired by golden task."""
    rows = asked(
        "SELECT golden_task_id, prompt_version, count(*), min(repeat), max(repeat)"
        " FROM RUNS GROUP BY 1, 2",
        promoted,
    )
    assert len(rows) == 27 * 2
    repeats = promoted.decision["runs"]["candidate"] // 27
    assert {row[2:] for row in rows} == {(repeats, 1, repeats)}


def test_what_is_not_known_is_null_and_never_0_or_nan(promoted: Promoted) -> None:
    """An average over unknown prices that says 0 dollars is a lie."""
    ((*unknown, known, runs),) = asked(
        "SELECT count(spend_usd), count(price_table), count(error), count(total_tokens), count(*)"
        " FROM RUNS",
        promoted,
    )
    assert unknown == [0, 0, 0]
    assert known == runs > 0
    frame = pd.read_parquet(next(promoted.evaluation.glob("runs/*.parquet")))
    assert not any(math.isnan(value) for value in frame["latency_s"])
    sums = frame["input_tokens"] + frame["output_tokens"]
    assert (frame["total_tokens"] == sums).all()


def test_times_are_utc_to_the_microsecond(promoted: Promoted) -> None:
    """Runs of several machines are put into one order."""
    (file,) = promoted.evaluation.glob("runs/*.parquet")
    assert str(pq.read_schema(file).field("started_at").type) == "timestamp[us, tz=UTC]"
    times = pd.read_parquet(file)["started_at"]
    assert times.min() > datetime(2025, 1, 1, tzinfo=UTC)
    assert times.max() < datetime.now(UTC)
    assert any(time.microsecond % 1000 for time in times)


def test_tool_calls_and_traces_agree(promoted: Promoted) -> None:
    """Whoever looks into one run sees what its numbers count."""
    (file,) = promoted.evaluation.glob("runs/*.parquet")
    for run in read_runs([file]).slice(0, 200).to_pylist():
        by_tool = Counter(call["tool"] for call in json.loads(run["trace"]))
        assert dict(run["tool_calls_by_tool"]) == by_tool
        assert sum(by_tool.values()) == run["tool_calls"]


def test_parquet_is_rebuilt_from_the_journal_without_duplicates(
    promoted: Promoted, tmp_path: Path
) -> None:
    """The journal is the truth; a resumed evaluation may hold the end of a run twice."""
    folder = EvaluationFolder(shutil.copytree(promoted.evaluation, tmp_path / "again"))
    before = read_runs(sorted(folder.runs.glob("*.parquet")))
    shutil.rmtree(folder.runs)
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    ends = [line for line in lines if b'"run_end"' in line]
    with folder.journal.open("ab") as journal:
        journal.writelines([ends[0], ends[-1], b'{"type": "run_end", "run": {"run_'])
    after = read_runs(folder.rebuild_parquet())
    assert after.num_rows == len(ends)
    assert after.equals(before)


def test_every_run_left_its_start_with_prompt_and_budgets(promoted: Promoted) -> None:
    """A run that hangs for ever would else leave nothing at all."""
    lines = list(read_lines(promoted.evaluation / "journal.jsonl"))
    starts = {line["run_id"]: line for line in lines if line["type"] == "run_start"}
    ends = {line["run"]["run_id"]: line["run"] for line in lines if line["type"] == "run_end"}
    assert starts.keys() == ends.keys()
    for run_id, start in starts.items():
        assert start["prompt_id"] == ends[run_id]["prompt_id"]
        assert start["budgets"]["max_tool_calls"] == 40


def test_each_round_has_a_file_of_its_own(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """A file that is written once can be copied away while later rounds go on."""
    here = point_at(desk, workspace(), tasks=8, repeats=5)
    assert assay(here, "evaluate", "v15", "--no-switch").exit_code == 0
    files = sorted(here.glob("results/*/runs/*.parquet"))
    assert [file.name for file in files] == ["round-001.parquet", "round-002.parquet"]
    repeats = [sorted(set(pd.read_parquet(file)["repeat"])) for file in files]
    assert repeats == [[1, 2, 3], [4, 5]]
    rounds = [set(pd.read_parquet(file)["round"]) for file in files]
    assert rounds == [{1}, {2}]


def test_a_file_from_before_a_column_was_added_stays_readable(
    promoted: Promoted, tmp_path: Path
) -> None:
    """Last year's evaluations are compared with this year's."""
    (file,) = promoted.evaluation.glob("runs/*.parquet")
    old = tmp_path / "old.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["attempts"]), old)
    both = read_runs([old, file])
    assert both.schema.names == COLUMNS
    assert both["attempts"].null_count == both.num_rows / 2 > 0


def few(workspace: Path, *, tasks: int = 4, repeats: int = 3) -> Path:
    """The workspace with fewer golden tasks and repeats."""
    golden = workspace / "golden" / "support.jsonl"
    lines = golden.read_text().splitlines(keepends=True)
    golden.write_text("".join(lines[:: len(lines) // tasks][:tasks]))
    config = workspace / "assay.yaml"
    config.write_text(config.read_text().replace("repeats: 20", f"repeats: {repeats}"))
    return workspace


def test_how_many_runs_are_made_at_once_changes_nothing(workspace: Workspace) -> None:
    """A verdict that hangs on `-j` could be had by trying."""
    one, many = (
        carried_out(planned(few(workspace()), "v14"), at_once=at_once) for at_once in (1, 16)
    )
    assert len(one) == 4 * 2 * 3
    assert [what_it_did(run) for run in one] == [what_it_did(run) for run in many]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("runs", [1, 11])
def test_going_on_after_an_interruption_changes_nothing(workspace: Workspace, runs: int) -> None:
    """The same runs come out, in whatever attempt they were made."""
    whole = carried_out(planned(few(workspace()), "v14"))
    here = few(workspace())
    made = []

    def stop(run: object) -> None:
        made.append(run)
        if len(made) == runs:
            raise Killed

    first = planned(here, "v14")
    with pytest.raises(Killed):
        carried_out(first, at_once=3, on_run=stop)
    second = planned(here, "v14")
    assert (second.evaluation_id, second.resumed) == (first.evaluation_id, True)
    assert [what_it_did(run) for run in carried_out(second)] == [what_it_did(run) for run in whole]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.61, 0.99])
def test_a_journal_cut_at_any_byte_leads_to_the_same_judgement(
    workspace: Workspace, share: float
) -> None:
    """kill -9 comes when it comes, and so does a loss of power."""
    here = few(workspace())
    whole = planned(here, "v14")
    runs = carried_out(whole)
    journal = here / "results" / whole.evaluation_id / "journal.jsonl"
    content = journal.read_bytes()
    header = content.index(b"\n") + 1
    journal.write_bytes(content[: header + int((len(content) - header) * share)])
    again = planned(here, "v14")
    assert again.evaluation_id == whole.evaluation_id
    made_again = carried_out(again)
    assert [what_it_did(run) for run in made_again] == [what_it_did(run) for run in runs]
    looks = [judged(plan, of).judgement for plan, of in ((whole, runs), (again, made_again))]
    assert looks[0].verdict == looks[1].verdict
    assert looks[0].reason == looks[1].reason


def test_a_model_servers_runs_hold_no_nan_and_say_their_model(
    workspace: Workspace, desk: DeskServer
) -> None:
    """What a provider leaves out is null in every reader."""
    plan = planned(point_at(desk, workspace(), tasks=2, repeats=1), "v15")
    runs = carried_out(plan)
    assert {run.model for run in runs} == {"desk-1"}
    assert {run.spend_usd for run in runs} == {None}
    assert {run.tool_calls_by_tool["send_email"] for run in runs} == {1}
