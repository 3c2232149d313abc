"""Killed, interrupted, doubled: an evaluation ends with the same verdict, and pays once."""

import json
import re
import shlex
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.store.journal import read_lines
from tests.commands import Assay, Ran
from tests.conftest import Promoted, Workspace, copy_sample
from tests.fakes.desk_server import DeskServer, point_at

pytestmark = pytest.mark.slow

AT_ONCE = 4
Command = tuple[str, ...]
V14: Command = ("evaluate", "support:v14", "-j", str(AT_ONCE))
V15: Command = ("evaluate", "support:v15", "-j", str(AT_ONCE), "--no-switch")


def decided(workspace: Path) -> dict[str, Any]:
    """What the only decision says: all of it but clocks and names."""
    decision: dict[str, Any] = json.loads((the_evaluation(workspace) / "decision.json").read_text())
    for name in ("evaluation_id", "seconds", "versions"):
        del decision[name]
    decision["gates"] = [gate for gate in decision["gates"] if gate["metric"] != "latency_s"]
    return decision


def the_evaluation(workspace: Path) -> Path:
    """The folder of the only evaluation."""
    (folder,) = (path.parent for path in (workspace / "results").glob("*/journal.jsonl"))
    return folder


def ended(workspace: Path) -> list[str]:
    """The run of every `run_end` line of the only evaluation."""
    lines = read_lines(the_evaluation(workspace) / "journal.jsonl")
    return [line["run"]["run_id"] for line in lines if line["type"] == "run_end"]


def killed(
    assay: Assay, workspace: Path, desk: DeskServer, *, after: int, command: Command = V14
) -> list[str]:
    """Start an evaluation and kill it with all its slots waiting; the requests it lost."""
    desk.hold_after(after)
    running = assay.start(workspace, *command)
    lost = desk.wait_until_held(AT_ONCE)
    running.signal(signal.SIGKILL)
    assert running.wait().exit_code == -signal.SIGKILL
    desk.drop_held()
    return lost


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """An evaluation that nothing happened to."""

    asked: list[str]
    decided: dict[str, Any]
    mails: int


def mails(workspace: Path) -> int:
    """How many mails the tools really sent."""
    return len(list(the_evaluation(workspace).glob("files/outbox/*.json")))


@pytest.fixture(scope="module")
def undisturbed(assay: Assay, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What the others are held against."""
    with DeskServer() as desk:
        here = point_at(desk, copy_sample(tmp_path_factory.mktemp("undisturbed") / "desk"))
        assert assay(here, *V14).exit_code == 1
        assert len(set(desk.asked)) == len(desk.asked)
        return Undisturbed(desk.asked, decided(here), mails(here))


@pytest.mark.parametrize("after", [0, 40])
def test_after_a_kill_the_same_command_finishes_and_pays_for_nothing_twice(
    assay: Assay, workspace: Workspace, desk: DeskServer, undisturbed: Undisturbed, after: int
) -> None:
    """Only what was in flight at the kill is asked again; the verdict is the undisturbed one."""
    here = point_at(desk, workspace())
    lost = killed(assay, here, desk, after=after)
    finished = ended(here)
    again = assay(here, *V14)

    assert again.exit_code == 1, again.err
    assert f"going on with evaluation {the_evaluation(here).name}" in again.err
    assert Counter(desk.asked) == Counter(undisturbed.asked) + Counter(lost)
    assert ended(here)[: len(finished)] == finished
    assert max(Counter(ended(here)).values()) == 1
    assert decided(here) == undisturbed.decided
    assert mails(here) == undisturbed.mails


def test_a_kill_in_a_later_round_leads_to_the_same_look(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Looking at the first round again must not spend the error again."""
    undisturbed = point_at(desk, workspace(), tasks=8, repeats=5)
    assert assay(undisturbed, *V15).exit_code == 0
    asked = list(desk.asked)
    desk.asked.clear()

    here = point_at(desk, workspace(), tasks=8, repeats=5)
    in_round_2 = 8 * 2 * 3 * 3 + 10
    lost = killed(assay, here, desk, after=in_round_2, command=V15)
    assert {path.name for path in the_evaluation(here).glob("runs/*")} == {"round-001.parquet"}
    again = assay(here, *V15)
    assert again.exit_code == 0, again.err
    assert Counter(desk.asked) == Counter(asked) + Counter(lost)
    assert decided(here) == decided(undisturbed)
    assert decided(here)["rounds"] == 2


def test_a_kill_of_the_resumed_evaluation_is_resumed_by_its_id(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Twice unlucky is still only unlucky."""
    here = point_at(desk, workspace())
    lost = killed(assay, here, desk, after=10) + killed(assay, here, desk, after=20)
    evaluation_id = the_evaluation(here).name
    last = assay(here, *V14, "--resume", evaluation_id)
    assert last.exit_code == 1, last.err
    counts = Counter(desk.asked)
    assert counts - Counter(counts.keys()) == Counter(lost)
    assert max(Counter(ended(here)).values()) == 1


def test_ctrl_c_stops_keeps_the_runs_and_says_the_command_that_goes_on(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """A person at a terminal must get it back, and lose nothing."""
    here = point_at(desk, workspace())
    desk.hold_after(40)
    running = assay.start(here, *V14)
    lost = desk.wait_until_held(AT_ONCE)
    running.signal(signal.SIGINT)
    stopped = running.wait()
    desk.drop_held()

    assert stopped.exit_code == 130, stopped.err
    assert "Traceback" not in stopped.err
    assert stopped.out == ""
    finished = ended(here)
    assert finished
    (told,) = re.findall(r"^ *assay (evaluate .*--resume \S+)$", stopped.err, re.MULTILINE)
    status = assay(here, "status")
    assert f"{the_evaluation(here).name} support:v14 vs support:v13: interrupted" in status.out

    resumed = assay(here, *shlex.split(told))
    assert resumed.exit_code == 1, resumed.err
    counts = Counter(desk.asked)
    assert counts - Counter(counts.keys()) == Counter(lost)
    assert ended(here)[: len(finished)] == finished


def test_a_living_evaluation_is_neither_taken_over_nor_in_the_way(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Two people may ask the same question at the same time."""
    here = point_at(desk, workspace())
    desk.hold_after(40)
    first = assay.start(here, *V14)
    desk.wait_until_held(AT_ONCE)
    begun = the_evaluation(here).name

    refused = assay(here, *V14, "--resume", begun)
    assert refused.exit_code == 4
    assert f"evaluation {begun} is being run by another process" in refused.err
    assert f"{begun} support:v14 vs support:v13: under way" in assay(here, "status").out

    second = assay.start(here, *V14)
    third = assay.start(here, *V15)
    desk.wait_until_held(3 * AT_ONCE)
    desk.release()
    ends = [first.wait(), second.wait(), third.wait()]
    assert [ran.exit_code for ran in ends[:2]] == [1, 1], [ran.err for ran in ends]
    assert ends[2].exit_code in (0, 3), ends[2].err
    folders = sorted((here / "results").iterdir())
    assert len(folders) == 3
    for folder in folders:
        runs = [line for line in read_lines(folder / "journal.jsonl") if line["type"] == "run_end"]
        assert len({run["run"]["run_id"] for run in runs}) == len(runs) == 24
        assert {run["run"]["evaluation_id"] for run in runs} == {folder.name}


def test_a_kill_between_the_switch_and_its_report_is_gone_on_from_without_a_second_switch(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """The switch is done, recorded once, and the verdict is still told."""
    here = promoted.copy(tmp_path)
    files = [here / "assay.yaml", here / "history.jsonl"]
    before = [file.read_bytes() for file in files]
    (the_evaluation(here) / "decision.json").unlink()
    ran = assay(here, "evaluate", "v15", "--resume", the_evaluation(here).name, "--json", "-")
    assert ran.exit_code == 0, ran.err
    assert json.loads(ran.out)["switched"] == {"from": "support:v13", "to": "support:v15"}
    assert [file.read_bytes() for file in files] == before


def refusal(ran: Ran) -> str:
    assert (ran.exit_code, ran.out) == (2, "")
    assert "mend: " in ran.err
    return ran.err


def test_only_the_same_question_is_gone_on_with(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Runs of two questions in one decision would answer neither."""
    here = point_at(desk, workspace())
    killed(assay, here, desk, after=10)
    evaluation_id = the_evaluation(here).name
    before = (the_evaluation(here) / "journal.jsonl").read_bytes()

    asked = len(desk.asked)
    for other in (("--repeats", "4"), ("--seed", "7"), ("--baseline", "v12")):
        ran = assay(here, *V14, *other, "--resume", evaluation_id)
        assert f"evaluation {evaluation_id} began with other inputs" in refusal(ran)
    ran = assay(here, "evaluate", "support:v15", "--resume", evaluation_id)
    assert "began with other inputs" in refusal(ran)

    config = here / "assay.yaml"
    text = config.read_text()
    for change in (("max_steps: 50", "max_steps: 49"), ("send_email: 1", "send_email: 2")):
        config.write_text(text.replace(*change))
        assert "began with other inputs" in refusal(assay(here, *V14, "--resume", evaluation_id))
    config.write_text(text)
    golden = here / "golden" / "support.jsonl"
    lines = golden.read_text()
    golden.write_text(lines.replace("Question 1?", "Question one?"))
    assert "began with other inputs" in refusal(assay(here, *V14, "--resume", evaluation_id))
    golden.write_text(lines)

    assert len(desk.asked) == asked
    assert (the_evaluation(here) / "journal.jsonl").read_bytes() == before


def test_a_verdict_that_is_there_is_not_made_again(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """A second verdict from the same runs would spend the error twice."""
    here = point_at(desk, workspace())
    assert assay(here, *V14).exit_code == 1
    evaluation_id = the_evaluation(here).name
    asked = len(desk.asked)
    ran = assay(here, *V14, "--resume", evaluation_id)
    assert f"evaluation {evaluation_id} has its verdict" in refusal(ran)
    assert f"assay show {evaluation_id}" in ran.err
    assert "no evaluation 'nonsense'" in refusal(assay(here, *V14, "--resume", "nonsense"))
    assert len(desk.asked) == asked
