"""What must hold when the world around an evaluation misbehaves."""

import asyncio
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import Tool

from assay.agents.toolbox import Toolbox, load_tools
from assay.commands.screen import Screen
from assay.errors import CannotEvaluate, InputError
from assay.evaluation import open_evaluation
from assay.records import RunKey, RunScope
from assay.store.evaluations import EvaluationFolder, find_interrupted
from assay.store.journal import Journal, read_lines
from tasks import progress
from tasks.cells import _together
from tests.carrying_out import carried_out, planned, runs_of
from tests.commands import COLD, Assay
from tests.conftest import Promoted, Workspace

SCOPE = RunScope(
    key=RunKey(evaluation_id="e", prompt_id="p", golden_task_id="t", repeat=1, seed=0),
    folder=Path(),
)


def changed(folder: Path, old: str, new: str) -> Path:
    """The workspace, with one change to its configuration."""
    config = folder / "assay.yaml"
    text = config.read_text()
    assert text.count(old) == 1
    config.write_text(text.replace(old, new))
    return folder


def answer_of(tool: Tool[None]) -> tuple[str, str]:
    """How a call of the tool ended, and what the model is told."""
    call = ToolCallPart(tool.name, {}, "call-1")
    answer = asyncio.run(Toolbox([tool]).call(call, scope=SCOPE, model=TestModel()))
    return answer.outcome, str(answer.content)


def test_a_reader_that_leaves_neither_ends_the_command_nor_changes_its_exit_code() -> None:
    """`assay evaluate v14 | head -1`: Rich would exit 1, which means a reject."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as file:
        screen = Screen(file=file)
        screen.print("nobody reads this")
        screen.print("nor this")
        assert screen.quiet


def test_a_page_shown_to_nobody_exits_0(promoted: Promoted, clean_environ: dict[str, str]) -> None:
    """The same for a whole command, whose last bytes are written when it ends."""
    for command in (["show", promoted.evaluation.name], ["status"]):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb") as nobody:
            done = subprocess.run(
                [COLD, *command],
                cwd=promoted.workspace,
                env=clean_environ,
                stdout=nobody,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, b"")


def test_flows_or_tasks_of_the_users_are_refused_and_nothing_is_run(
    assay: Assay, workspace: Workspace
) -> None:
    """Many projects have a tasks.py; ours must not be mixed with it."""
    folder = workspace()
    (folder / "tasks.py").write_text("raise SystemExit(1)\n")
    ran = assay.cold(folder, "evaluate", "v14", PYTHONPATH=str(folder))
    assert ran.exit_code == 2
    assert f"`import tasks` finds {folder / 'tasks.py'} instead of Assay's" in ran.err
    assert "mend: " in ran.err
    assert not (folder / "results").exists()


def test_a_users_tasks_file_in_the_folder_is_in_nobodys_way(
    assay: Assay, workspace: Workspace
) -> None:
    """The installed command does not look for modules where it is run."""
    folder = workspace()
    (folder / "tasks.py").write_text("raise SystemExit(1)\n")
    ran = assay.cold(folder, "evaluate", "v14", "--json", "missing/decision.json")
    assert (ran.exit_code, ran.err.splitlines()[0]) == (
        2,
        "error: --json missing/decision.json cannot be written",
    )
    assert not (folder / "results").exists()


def test_a_server_that_does_not_answer_is_a_short_error_with_a_mend(
    assay: Assay, workspace: Workspace
) -> None:
    """Prefect's own answer is a traceback of a hundred lines."""
    ran = assay.cold(workspace(), "evaluate", "v14", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert ran.exit_code == 4
    assert "error: no Prefect server answers at http://127.0.0.1:1/api: " in ran.err
    assert "mend: " in ran.err
    assert "Traceback" not in ran.err


def test_python_m_assay_is_assay() -> None:
    """Where the console script is not on the PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "assay", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"assay \S+\n", done.stdout)


async def test_a_message_to_prefect_is_given_up_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that dies in the middle must not hold the evaluation up for minutes."""
    monkeypatch.setattr(progress, "TELL_FOR_S", 0.01)
    assert await progress.tell(asyncio.Event().wait()) is None


def leaving() -> str:
    """Leave the process."""
    raise SystemExit(1)


def unwritable() -> object:
    """Give back what no file format takes."""
    return {"thing": object()}


def half_a_character() -> str:
    """Give back half a surrogate pair."""
    return "\ud800"


def cursing() -> str:
    """Raise half a surrogate pair."""
    raise ValueError("\ud800")


@pytest.mark.parametrize("function", [leaving, unwritable, half_a_character, cursing])
def test_whatever_a_tool_does_is_told_to_the_model(function: object) -> None:
    """One bad answer of one tool ended the whole evaluation, or even looked like a reject."""
    outcome, told = answer_of(Tool(function))  # type: ignore[call-overload]
    assert outcome == "failed"
    assert told.encode()


def test_a_tools_file_that_exits_is_a_wrong_file(tmp_path: Path) -> None:
    """`sys.exit(1)` at import would exit 1: a reject of a prompt that never ran."""
    path = tmp_path / "tools.py"
    path.write_text("import sys\nsys.exit(1)\n")
    with pytest.raises(InputError, match=r"tools\.py:2: .*SystemExit"):
        load_tools(path)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("send_email: 1", "send_mail: 1", "max_calls_per_tool"),
        ("    - send_email\n", "    - send_mail\n", "allowed_tools"),
    ],
)
def test_a_limit_on_a_tool_that_is_not_there_is_refused_before_anything_is_kept(
    workspace: Workspace, old: str, new: str, key: str
) -> None:
    """A misspelt limit limits nothing, and nobody would know."""
    folder = changed(workspace(), old, new)
    with pytest.raises(InputError, match=rf"assay\.yaml: agent\.{key} names 'send_mail'"):
        carried_out(planned(folder, "v14", repeats=1))
    assert not (folder / "results").exists()


@pytest.mark.parametrize("max_runs", [10, 54])
def test_max_runs_is_exact_and_spent_only_if_it_kept_a_run_from_being_made(
    workspace: Workspace, max_runs: int
) -> None:
    """Sixteen runs under way at once must not overshoot; a budget just met cut nothing."""
    evaluation_budget = f"  evaluation: {{max_runs: {max_runs}}}\n  max_seconds: 60\n"
    folder = changed(workspace(), "  max_seconds: 60\n", evaluation_budget)
    plan = planned(folder, "v14", repeats=1)

    async def carry_out() -> tuple[int, str | None]:
        async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=16) as evaluation:
            (this_round,) = evaluation.rounds()
            await asyncio.gather(*runs_of(evaluation, this_round))
            return len(evaluation.folder.finished_runs()), evaluation.budget_spent

    spent = "max_runs" if max_runs < plan.n_runs else None
    assert asyncio.run(carry_out()) == (max_runs, spent)


async def test_when_a_part_fails_the_others_have_ended_before_it_is_said() -> None:
    """Runs that go on would write to a journal that is closed."""
    ended: list[str] = []

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("other")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise CannotEvaluate("the disk is full")

    with pytest.raises(CannotEvaluate, match="the disk is full"):
        await _together([other(), failing()])
    assert ended == ["other"]


@contextmanager
def room_for_files(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_with_a_mend_and_loses_no_whole_line(tmp_path: Path) -> None:
    """A full disk is no bug: no traceback, and everything before it can be gone on from."""
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"number": 1})
    with (
        pytest.raises(CannotEvaluate, match=r"journal\.jsonl: cannot be written: "),
        room_for_files(path.stat().st_size + 5),
        Journal(path) as journal,
    ):
        journal.append({"number": 2})
    with Journal(path) as journal:
        journal.append({"number": 3})
    assert [line["number"] for line in read_lines(path)] == [1, 3]


def test_a_damaged_evaluation_does_not_hide_the_others(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """`assay status`, at 3 a.m., beside a folder that a full disk left behind."""
    folder = promoted.copy(tmp_path)
    damaged = folder / "results" / "99990101-000000-abcdef"
    damaged.mkdir()
    (damaged / "journal.jsonl").write_text("{half\n")
    plan = planned(folder, "v14")
    assert (
        find_interrupted(
            damaged.parent, about={"inputs_hash": plan.inputs_hash}, now=plan.created_at
        )
        is None
    )
    ran = assay(folder, "status")
    assert ran.exit_code == 0
    assert promoted.evaluation.name in ran.out


def test_looking_at_an_evaluation_writes_nothing_and_is_not_in_its_way(
    promoted: Promoted, tmp_path: Path
) -> None:
    """Results may be on a read-only disk; and who looks must not refuse who works."""
    kept = shutil.copytree(promoted.evaluation, tmp_path / "kept")
    (kept / "lock").unlink()
    folder = EvaluationFolder(kept)
    assert not folder.is_being_run()
    assert not (kept / "lock").exists()
    with folder.lock():
        assert folder.is_being_run()
        with pytest.raises(CannotEvaluate, match="is being run by another process"), folder.lock():
            pass
    assert not folder.is_being_run()
