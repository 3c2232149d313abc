"""`assay compare` as people meet it: any log, the verdict's exit code, and plain refusals."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.cli import main

TASKS, REPEATS = 24, 10


def runs(
    seed: int = 1, *, tasks: int = TASKS, repeats: int = REPEATS, success: float = 0.97
) -> list[dict[str, Any]]:
    """A log of two prompts that differ in nothing, as another harness would write it."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(8.0, 0.5, tasks)
    return [
        {
            "prompt": prompt,
            "task_id": f"task {task}",
            "trial": trial,
            "usage": {"total_tokens": int(np.exp(levels[task] + rng.normal(0.0, 0.4)))},
            "num_tool_calls": int(1 + rng.poisson(3.0)),
            "reward": float(rng.random() < success),
            "model": "a-model",
        }
        for trial in range(repeats)
        for task in range(tasks)
        for prompt in ("support:v13", "support:v14")
    ]


def changed(log: list[dict[str, Any]], **values: Any) -> list[dict[str, Any]]:
    """The same log with the candidate's columns replaced."""
    return [{**run, **values} if run["prompt"] == "support:v14" else run for run in log]


def compare(folder: Path, log: Sequence[Any], *flags: str) -> tuple[int, dict[str, Any]]:
    """Exit code and decision."""
    path, out = folder / "runs.jsonl", folder / "decision.json"
    path.write_text("".join(f"{json.dumps(run)}\n" for run in log), encoding="utf-8")
    exit_code = main(
        [
            "compare", str(path), "--baseline", "support:v13", "--candidate", "support:v14",
            "-c", str(folder / "none.yaml"), "--json", str(out), *flags,
        ]
    )  # fmt: skip
    return exit_code, json.loads(out.read_text()) if out.exists() else {}


def test_the_incident_in_a_foreign_log_is_rejected(tmp_path: Path) -> None:
    """The same statistics, the same exit code, on logs that are not ours."""
    log = changed(runs(), num_tool_calls=11)
    exit_code, decision = compare(tmp_path, log)
    assert exit_code == 1
    assert "tool calls x" in decision["reason"]
    assert decision["runs"] == {"baseline": 240, "candidate": 240, "infra_errors": 0}


def test_what_was_guessed_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong guess would otherwise decide unseen."""
    compare(tmp_path, runs(repeats=3))
    err = capsys.readouterr().err
    assert "total_tokens: column usage.total_tokens\n" in err
    assert "success: column reward\n" in err
    assert "gates: the defaults\n" in err


def test_a_log_with_hashes_of_its_golden_tasks_is_compared(tmp_path: Path) -> None:
    """Columns as the reader gives them, which is not as an evaluation's files hold them."""
    log = [{**run, "golden_task_hash": run["task_id"]} for run in runs(repeats=3)]
    assert compare(tmp_path, log)[0] in (0, 3)
    exit_code, decision = compare(tmp_path, changed(log, golden_task_hash="another"))
    assert exit_code == 3
    assert "not comparable: golden_task_hash" in decision["reason"]


def test_an_agent_against_itself_is_not_rejected(tmp_path: Path) -> None:
    """A gate that cries wolf gets switched off."""
    codes = [compare(tmp_path, runs(seed, success=0.8))[0] for seed in range(8)]
    assert 1 not in codes


@pytest.mark.parametrize("repeats", [3, 5, 10])
def test_a_task_of_24_that_always_fails_is_never_promoted(tmp_path: Path, repeats: int) -> None:
    """It moves the overall success by four points only."""
    for seed in range(4):
        log = runs(seed, repeats=repeats, success=0.95)
        broken = [
            {**run, "reward": 0.0}
            if (run["prompt"], run["task_id"]) == ("support:v14", "task 7")
            else run
            for run in log
        ]
        assert compare(tmp_path, broken)[0] != 0


def test_different_models_are_refused_with_both_names(tmp_path: Path) -> None:
    """A cheaper model would be promoted as a better prompt."""
    exit_code, decision = compare(tmp_path, changed(runs(), model="other-model"))
    assert exit_code == 3
    assert "not comparable: model: a-model | other-model" in decision["reason"]


def test_a_difference_that_is_allowed_is_recorded(tmp_path: Path) -> None:
    """Months later it must be seen that somebody looked away."""
    log = changed(runs(), model="other-model")
    exit_code, decision = compare(tmp_path, log, "--allow-different", "model")
    assert exit_code == 0
    assert decision["allowed_different"] == ["model"]


def test_other_prompts_of_the_log_bear_on_nothing(tmp_path: Path) -> None:
    """A golden task that only a third prompt ran is not missing."""
    others = [{**run, "prompt": "support:v12", "task_id": "another"} for run in runs(repeats=1)]
    assert compare(tmp_path, [*runs(), *others])[0] == compare(tmp_path, runs())[0] == 0


def test_parquet_and_csv_decide_alike(tmp_path: Path) -> None:
    """The format of a log says nothing of a prompt."""
    _, expected = compare(tmp_path, runs())
    table = pa.Table.from_pylist(runs()).flatten()
    pq.write_table(table, tmp_path / "runs.parquet")
    table.to_pandas().to_csv(tmp_path / "runs.csv", index=False)
    for name in ("runs.parquet", "runs.csv"):
        out = tmp_path / "other.json"
        main(
            [
                "compare", str(tmp_path / name), "--baseline", "support:v13", "--candidate",
                "support:v14", "-c", str(tmp_path / "none"), "--json", str(out),
            ]
        )  # fmt: skip
        assert json.loads(out.read_text())["gates"] == expected["gates"]


def test_hostile_names_are_printed_harmlessly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log comes from elsewhere: no escape sequence and no markup may reach the terminal."""
    log = [{**run, "task_id": f"\x1b[31m[red]{run['task_id']}\r\n"} for run in runs()]
    broken = [
        {**run, "reward": 0.0} if run["prompt"].endswith("14") and "7" in run["task_id"] else run
        for run in log
    ]
    broken += [{**run, "prompt": "\x1b]0;title\x07"} for run in log[:2]]
    assert compare(tmp_path, broken)[0] == 1
    assert compare(tmp_path, [{**run, "prompt": "\x1b[2J"} for run in log])[0] == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "[red]" in said.out


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--candidate", "v99"], "no prompt of the log"),
        (["--candidate", "support:v13"], "baseline and candidate are both"),
        (["--column", "success=nothing"], "there is no column 'nothing'"),
        (["--column", "succes=reward"], "names no column of ours"),
        (["--critical", "task 99"], "no golden task"),
        (["--allow-different", "modle"], "did you mean 'model'?"),
        (["--json", "/no/such/folder/x.json"], "cannot be written"),
    ],
)
def test_a_wrong_flag_exits_2_and_says_the_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], problem: str
) -> None:
    """A misspelt flag that is passed over would decide something else."""
    assert compare(tmp_path, runs(repeats=1), *flags)[0] == 2
    err = capsys.readouterr().err
    assert problem in err
    assert "Traceback" not in err


@pytest.mark.parametrize("bad", [float("inf"), -5.0])
def test_impossible_figures_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: float
) -> None:
    """Not 4: the log is wrong, and Assay is not."""
    assert compare(tmp_path, [*runs(repeats=1), {**runs(repeats=1)[0], "cost": bad}])[0] == 2
    assert "column cost: run 49 holds" in capsys.readouterr().err


def test_unknown_figures_are_no_zeros(tmp_path: Path) -> None:
    """A run whose tokens are not known must not make a prompt look cheaper."""
    log = changed(runs(), usage={"total_tokens": None})
    exit_code, decision = compare(tmp_path, log)
    assert exit_code == 3
    [mean] = [
        gate
        for gate in decision["gates"]
        if (gate["metric"], gate["statistic"]) == ("total_tokens", "mean")
    ]
    assert mean["result"] == "undecided"


def test_a_verdict_about_traffic_is_labelled_and_needs_more_golden_tasks(tmp_path: Path) -> None:
    """24 tasks cannot show that no tenth of the traffic fails; the page must not look alike."""
    log = runs(success=1.0, repeats=20)
    exit_code, decision = compare(tmp_path, log)
    assert (exit_code, decision["scope"]) == (0, "golden_tasks")
    exit_code, decision = compare(tmp_path, log, "--scope", "traffic")
    assert (exit_code, decision["scope"]) == (3, "traffic")
    success = next(gate for gate in decision["gates"] if gate["metric"] == "success")
    assert success["result"] == "undecided"
    assert success["upper"] > 0.1
    assert "more golden tasks would" in decision["needs"]["advice"]


def test_other_budgets_are_another_experiment(tmp_path: Path) -> None:
    """A candidate under tighter limits looks cheap."""
    log = [{**run, "budgets_hash": "aaa"} for run in runs()]
    exit_code, decision = compare(tmp_path, changed(log, budgets_hash="bbb"))
    assert exit_code == 3
    assert "not comparable: budgets_hash" in decision["reason"]
