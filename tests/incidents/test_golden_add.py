"""`assay golden add`: a bad run becomes a golden task that tells the bad version from the good."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from assay.cli import main
from tests.incidents.conftest import BAD_RUN, INTO, SAID, Desk

TYPED = pyarrow.csv.ConvertOptions(
    column_types=dict.fromkeys(("call", "input", "category"), pa.string())
)


def test_a_task_that_tells_the_versions_apart_is_added(desk: Desk) -> None:
    """The whole way: bounds of the active version, v14 fails, v13 passes, the incident is named."""
    added = desk.add("--yes", "--incident", "INC-2026-041", "--repeats", "3")
    assert added.exit_code == 0
    (task,) = added.tasks
    assert (task.input, task.category) == (SAID, "lookup")
    assert task.max_tool_calls == 7
    assert task.max_tokens is not None
    assert task.max_tokens > 4000
    assert task.max_seconds is None
    assert task.incident is not None
    assert task.incident.startswith("INC-2026-041, 20")
    assert f"run {BAD_RUN} of support:v14:" in task.incident
    assert task.is_critical
    assert "the trial: 6 runs, about " in added.err
    assert "support:v14: 3 of 3 fail" in added.err
    assert "support:v13: 0 of 3 fail" in added.err
    assert desk.add("--yes", "--incident", "INC-2026-041").exit_code == 2  # there already


def test_a_task_that_tells_nothing_is_added_only_by_force_with_its_reason(desk: Desk) -> None:
    """A task that the bad version passes would lull everybody."""
    loose = [
        "--yes",
        "--repeats",
        "2",
        "--bound",
        "max_tokens=90000",
        "--bound",
        "max_tool_calls=99",
    ]
    refused = desk.add(*loose)
    assert refused.exit_code == 3
    assert "support:v14: 0 of 2 fail" in refused.err
    assert "support:v14 passes it in half of its runs or more" in refused.err
    assert not INTO.exists()
    forced = desk.add(*loose, "--force", "--reason", "seen once in a hundred")
    assert forced.exit_code == 0
    assert "by force" in str(forced.tasks[0].incident)
    assert "seen once in a hundred" in str(forced.tasks[0].incident)


def test_a_task_that_the_good_version_fails_is_not_added(desk: Desk) -> None:
    """It would stop every change to come."""
    added = desk.add("--yes", "--repeats", "2", "--check", "icontains=we never say this")
    assert added.exit_code == 3
    assert "support:v13: 2 of 2 fail" in added.err
    assert "support:v13 fails it, too" in added.err


def test_a_spent_budget_proves_nothing(desk: Desk) -> None:
    """The runs that were not made might have said the opposite."""
    config = Path("assay.yaml")
    config.write_text(
        config.read_text().replace(
            "  max_seconds: 60\n", "  max_seconds: 60\n  evaluation: {max_runs: 3}\n"
        )
    )
    added = desk.add("--yes", "--repeats", "2")
    assert added.exit_code == 3
    assert "budgets.evaluation.max_runs was spent" in added.err
    assert not INTO.exists()


def test_nothing_is_run_or_written_before_somebody_saw_what_is_masked(desk: Desk) -> None:
    """Without a terminal nobody can have seen it: --yes says that somebody did, before."""
    said = (
        "Write to Jane.Doe@acme.co or jane.doe@acme.co. My key is sk-proj-abcDEF1234567890ghiJKL."
    )
    assert desk.add(said=said).exit_code == 2
    looked = desk.add("--dry-run", said=said)
    assert looked.exit_code == 0
    assert not INTO.exists()
    assert "masked: 'Jane.Doe@acme.co' -> person-1@example.com" in looked.err
    assert "masked: 'sk-p…' (30 characters) -> <api-key-1>" in looked.err
    assert json.loads(looked.out.splitlines()[0])["input"] == (
        "Write to person-1@example.com or person-1@example.com. My key is <api-key-1>."
    )
    assert "abcDEF" not in looked.out + looked.err


def test_the_input_comes_from_the_log_where_the_log_has_it(desk: Desk) -> None:
    """A log of another harness: chat messages, in a column that the config names."""
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "Where is my bike?"},
    ]
    row = {"run_id": "theirs", "prompt_id": "support:v14:1", "chat": messages}
    Path("their.jsonl").write_text(f"\n{{torn\n{json.dumps(row)}\n")
    with Path("assay.yaml").open("a") as config:
        config.write("rollout: {canary: {columns: {input: chat}}}\n")
    for options in (
        ["--from-run", "theirs", "--log", "their.jsonl"],
        ["--from-line", "their.jsonl:3"],
    ):
        desk.captured.readouterr()
        assert main(["golden", "add", "--dry-run", *options]) == 0
        said = desk.captured.readouterr()
        assert json.loads(said.out.splitlines()[0])["input"] == "Where is my bike?"
        assert "note: the run ran support:v14:1, not support:v14:" in said.err


def test_a_table_is_read_as_texts(desk: Desk) -> None:
    """A question may be a number, an id may begin with noughts, and a day is one in any format."""
    Path("assay.yaml").write_text(
        Path("assay.yaml").read_text() + "rollout: {canary: {columns: {run_id: call}}}\n"
    )
    header, row = "call,prompt_id,input,category,started_at", "0012,support:v14:x,4711,7,2026-11-20"
    Path("their.csv").write_text(f"{header}\n{row}T10:00:00Z\n")
    table = pyarrow.csv.read_csv("their.csv", convert_options=TYPED)
    pyarrow.parquet.write_table(table, "their.parquet")
    for log in ("their.csv", "their.parquet"):
        looked = desk.add("--log", log, "--dry-run", run="0012", said=None)
        assert looked.exit_code == 0, looked.err
        task = json.loads(looked.out.splitlines()[0])
        assert (task["input"], task["category"]) == ("4711", "7")
        assert task["incident"].startswith("incident, 2026-11-20: run 0012")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt_id": 7, "input": "Hi"},
        {"prompt_id": "support:v14:x", "input": {"a": 1}},
        {"prompt_id": "support:v14:x", "input": ["a"]},
        {"prompt_id": "../../etc:passwd:x", "input": "Hi"},
        {"prompt_id": "support:v14:x", "input": "  "},
        {"prompt_id": "support:v14:x", "input": "x" * 300_000},
    ],
)
def test_a_strangers_log_is_refused_in_one_sentence(desk: Desk, row: dict[str, Any]) -> None:
    """What stands in it is not ours."""
    Path("their.jsonl").write_text(json.dumps({"run_id": "r1", **row}))
    refused = desk.add("--log", "their.jsonl", "--dry-run", run="r1", said=None)
    assert refused.exit_code == 2
    assert "Traceback" not in refused.err


def test_what_a_stranger_wrote_is_shown_without_harm(desk: Desk) -> None:
    """Half characters and control sequences, in any field, and numbers that are none."""
    nasty = "Hi \ud800 \u009b2J \u202e"
    row = {
        "run_id": "r1", "prompt_id": "support:v14:x", "input": nasty, "category": nasty,
        "total_tokens": "NaN", "spend_usd": -1, "started_at": 3, "tool_calls": [1],
    }  # fmt: skip
    Path("their.jsonl").write_text(json.dumps(row))
    looked = desk.add("--log", "their.jsonl", "--dry-run", run="r1", said=None)
    assert looked.exit_code == 0
    assert all(line.isprintable() for line in (looked.out + looked.err).splitlines())
    assert json.loads(looked.out.splitlines()[0])["input"] == "Hi ? \u009b2J \u202e"


def test_a_log_comes_in_by_standard_input(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as out of a search in somebody's log store."""
    row = {"run_id": "r1", "prompt_id": "support:v14:1", "input": "Where is my bike?"}
    piped = io.TextIOWrapper(io.BytesIO(json.dumps(row).encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    assert desk.add("--log", "-", "--dry-run", run="r1", said=None).exit_code == 0


@pytest.mark.parametrize(
    ("options", "said", "complaint"),
    [
        (["--yes"], None, "mend: give it with --input TEXT or --input @FILE"),
        (["--yes", "--good", "v14"], SAID, "would be the bad and the good version"),
        (["--yes", "--force"], SAID, "--force needs a reason"),
        (["--yes", "--bound", "max_token"], SAID, "did you mean 'max_tokens'?"),
        (["--yes", "--bound", "max_tokens=many"], SAID, "no number"),
        (["--yes", "--check", "icontains"], SAID, "is no check"),
        (["--yes", "--check", "icontain=x"], SAID, "icontain"),
        (["--yes", "--repeats", "0"], SAID, "--repeats is 0"),
        (["--yes", "--into", "golden/x.yaml"], SAID, "golden tasks are JSON lines"),
        (["--yes", "--input", "@nowhere.txt"], None, "nowhere.txt: cannot be read"),
        (["--yes", "--log", "nowhere.jsonl"], SAID, "nowhere.jsonl: cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_run(
    desk: Desk, options: list[str], said: str | None, complaint: str
) -> None:
    """At three in the morning nobody reads a traceback."""
    refused = desk.add(*options, said=said)
    assert refused.exit_code == 2
    assert complaint in refused.err
    assert "Traceback" not in refused.err
    assert not INTO.exists()


def test_somebody_at_a_terminal_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only a yes is one."""
    answers = io.StringIO("\n")
    monkeypatch.setattr(answers, "isatty", lambda: True, raising=False)
    answers.buffer = io.BytesIO()  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "stdin", answers)
    asked = desk.add("--repeats", "1")
    assert asked.exit_code == 3
    assert "run support:v14 and support:v13, and add it if they differ? [y/N]" in asked.err
    assert not INTO.exists()


def test_bounds_may_be_given_derived_or_left_out(desk: Desk) -> None:
    """A team knows better what its tasks may cost, and time is its own affair."""
    options = ["max_seconds", "max_spend_usd=0.015", "max_tokens=none", "max_tool_calls=9"]
    looked = desk.add("--dry-run", *(word for each in options for word in ("--bound", each)))
    task = json.loads(looked.out.splitlines()[0])
    assert "max_tokens" not in task
    assert (task["max_tool_calls"], task["max_spend_usd"]) == (9, 0.015)
    assert task["max_seconds"] > 0


def test_a_run_of_an_evaluation_brings_its_input_along(desk: Desk) -> None:
    """Its golden task has it; and its runs are what bounds are taken from."""
    from tests.carrying_out import carried_out, planned

    for log in Path("logs").iterdir():
        log.unlink()
    runs = carried_out(planned(desk.folder, "v14", repeats=1))
    bad = next(run for run in runs if run.prompt_version == "v14")
    looked = desk.add("--dry-run", run=bad.run_id, said=None)
    assert looked.exit_code == 0
    assert json.loads(looked.out.splitlines()[0])["category"] == bad.category


def test_a_run_that_is_nowhere_is_said_with_where_it_was_sought(desk: Desk) -> None:
    """Most often the log is another one."""
    refused = desk.add("--dry-run", run="no-such-run")
    assert refused.exit_code == 2
    assert "run 'no-such-run' is in none of" in refused.err


def test_with_fewer_than_twenty_runs_there_is_no_bound(desk: Desk) -> None:
    """A p99 of three runs is a guess."""
    looked = desk.add("--dry-run", "--category", "complaints")
    assert "max_tokens: no bound, for fewer than 20 runs say what is usual" in looked.err
    assert "max_tokens" not in json.loads(looked.out.splitlines()[0])


def test_runs_are_alike_by_the_column_that_says_the_runs_own_category(desk: Desk) -> None:
    """Another column that could be one, and comes first, would leave none alike."""
    for log in Path("logs").iterdir():
        rows = map(json.loads, log.read_text().splitlines())
        log.write_text("".join(json.dumps({"topic": "lamps", **row}) + "\n" for row in rows))
    assert "of 40 runs of category 'lookup' in production" in desk.add("--dry-run").err


def test_a_hung_run_is_found_by_its_start(desk: Desk) -> None:
    """It wrote no last line, and it is the one to look at."""
    from assay import prompts

    client = prompts.open("assay.yaml")
    client.run(client.choose("ana"), category="lookup", run_id="hung").start()
    client.run_log.close()
    looked = desk.add("--dry-run", "--bad", "v14", run="hung")
    assert looked.exit_code == 0
    assert "run hung of support:v13:" in looked.out
    assert "tokens and spend not known; budgets hold" in looked.err
