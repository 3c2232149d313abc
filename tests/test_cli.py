"""The commands as scripts and people meet them: exit codes, streams, files left behind."""

import json
import shutil
from pathlib import Path

import pytest

from assay.history import read_history
from assay.store.evaluations import EvaluationFolder
from tests.commands import Assay
from tests.conftest import Promoted, Workspace
from tests.fakes.desk_server import DeskServer, point_at

pytestmark = pytest.mark.slow

CONTRACT = {
    "schema_version", "evaluation_id", "verdict", "reason", "candidate", "baseline", "gates",
    "invariants", "runs", "rounds", "stopped_early", "spend_usd", "seconds", "needs", "switched",
    "seed", "versions",
}  # fmt: skip
PROMOTING = {"tasks": 8, "repeats": 5}
"""Runs enough to be sure of a candidate that does just what the baseline does."""


def test_a_reject_exits_1_and_changes_nothing(assay: Assay, workspace: Workspace) -> None:
    """A pipeline must stop on it, and production must not notice."""
    here = workspace()
    before = (here / "assay.yaml").read_bytes()
    ran = assay(here, "evaluate", "support:v14", "--repeats", "3")
    assert ran.exit_code == 1, ran.err
    assert ran.out.startswith("reject: p95 tokens x")
    assert (here / "assay.yaml").read_bytes() == before
    assert not (here / "history.jsonl").exists()


def test_a_promote_exits_0_and_changes_just_the_two_values(promoted: Promoted) -> None:
    """A reviewer reads `git diff`: every other byte stays."""
    assert promoted.ran.exit_code == 0, promoted.ran.err
    expected = promoted.before.replace(b'active: "support:v13"', b'active: "support:v15"')
    expected = expected.replace(b'rollback: "support:v12"', b'rollback: "support:v13"')
    assert expected != promoted.before
    assert (promoted.workspace / "assay.yaml").read_bytes() == expected


def test_a_switch_is_recorded_once_with_the_evaluation_and_its_evidence(promoted: Promoted) -> None:
    """Months later somebody asks why this prompt is live, and whether the runs were touched."""
    (entry,) = read_history(promoted.workspace / "assay.yaml").entries
    assert entry.cause.action == "promote"
    assert entry.cause.evaluation_id == promoted.evaluation.name
    runs = EvaluationFolder(promoted.evaluation)
    assert entry.cause.evidence_sha256 == runs.evidence_sha256()
    assert "p95 tokens" in entry.cause.reason
    assert entry.cause.prompt_ids["support:v15"].startswith("support:v15:")


def test_rollback_goes_back_once_and_then_changes_nothing(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """Two people roll back in the same night; the second must not undo the first."""
    here = promoted.copy(tmp_path)
    first = assay(here, "rollback", "--reason", "tokens doubled")
    assert (first.exit_code, first.err) == (0, "")
    assert "active: support:v15 -> support:v13" in first.out
    after = (here / "assay.yaml").read_bytes()
    assert b'active: "support:v13"' in after
    assert b"support:v15" not in after.split(b"testing:")[0].split(b"prompts:")[-1]

    second = assay(here, "rollback")
    assert (second.exit_code, second.err) == (0, "")
    assert (here / "assay.yaml").read_bytes() == after
    assert len(read_history(here / "assay.yaml").entries) == 2


NO_NETWORK = """
import socket
class Closed(socket.socket):
    def __init__(self, *args, **kwargs):
        raise OSError("there is no network")
socket.socket = Closed
"""


def test_rollback_needs_no_golden_file_no_results_no_server_and_no_network(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """It is called when everything else is broken."""
    here = promoted.copy(tmp_path)
    shutil.rmtree(here / "results")
    (here / "golden" / "support.jsonl").write_bytes(b'{"id": \xff')
    config = here / "assay.yaml"
    config.write_text(config.read_text().replace("budgets:", "budgits:"))
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    ran = assay.cold(
        here, "rollback", PYTHONPATH=str(tmp_path), PREFECT_API_URL="http://127.0.0.1:9/api"
    )
    assert (ran.exit_code, ran.err) == (0, "")
    assert "active: support:v15 -> support:v13" in ran.out
    assert not (here / "results").exists()


def test_a_rollback_whose_receivers_cannot_be_read_is_made_and_says_so(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """Going back comes first; that nobody was told is a warning, not an exit code."""
    here = promoted.copy(tmp_path)
    config = here / "assay.yaml"
    config.write_text(config.read_text().replace("budgets:", "budgits:") + "alerts: []\n")
    ran = assay(here, "rollback")
    assert ran.exit_code == 0
    assert "active: support:v15 -> support:v13" in ran.out
    assert ran.err.startswith("warning: nobody was told of it: ")
    assert "unknown key 'budgits'" in ran.err


def test_no_switch_only_decides_and_promote_switches_later_on_that_evidence(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Some teams let a person press the button."""
    here = point_at(desk, workspace(), **PROMOTING)
    before = (here / "assay.yaml").read_bytes()
    decided = assay(here, "evaluate", "support:v15", "--no-switch", "--json", "decision.json")
    assert decided.exit_code == 0, decided.err + decided.out
    assert (here / "assay.yaml").read_bytes() == before
    assert not (here / "history.jsonl").exists()
    decision = json.loads((here / "decision.json").read_text())
    assert (decision["verdict"], decision["switched"]) == ("promote", None)
    assert decided.out.startswith("promote")

    wrong = assay(here, "promote", "v14", "--evaluation", decision["evaluation_id"])
    assert wrong.exit_code == 3
    assert (here / "assay.yaml").read_bytes() == before
    right = assay(here, "promote", "v15", "--evaluation", decision["evaluation_id"])
    assert right.exit_code == 0, right.err
    assert b'active: "support:v15"' in (here / "assay.yaml").read_bytes()
    (entry,) = read_history(here / "assay.yaml").entries
    assert entry.cause.evaluation_id == decision["evaluation_id"]


def test_json_on_standard_output_is_whole_and_alone(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Scripts pipe it into other programs."""
    here = point_at(desk, workspace(), **PROMOTING)
    ran = assay(here, "evaluate", "support:v15", "--json", "-", "--seed", "7")
    assert ran.exit_code == 0, ran.err
    decision = json.loads(ran.out)
    assert decision.keys() >= CONTRACT
    assert decision["switched"] == {"from": "support:v13", "to": "support:v15"}
    assert decision["seed"] == 7
    assert decision["runs"] == {"baseline": 40, "candidate": 40, "infra_errors": 0}
    assert decision["candidate"] == {
        "name": "support", "version": "v15", "prompt_id": decision["candidate"]["prompt_id"],
    }  # fmt: skip
    kept = here / "results" / decision["evaluation_id"] / "decision.json"
    assert json.loads(kept.read_text()) == decision
    shown = assay(here, "show", decision["evaluation_id"], "--json")
    assert json.loads(shown.out) == decision


def test_too_few_runs_are_inconclusive_exit_3_and_switch_nothing(
    assay: Assay, workspace: Workspace
) -> None:
    """No evidence is not a reject, and surely no promote."""
    here = workspace()
    before = (here / "assay.yaml").read_bytes()
    ran = assay(here, "evaluate", "support:v15", "--repeats", "2")
    assert ran.exit_code == 3, ran.err
    assert ran.out.startswith("inconclusive")
    assert (here / "assay.yaml").read_bytes() == before
    assert not (here / "history.jsonl").exists()


def test_a_config_edited_meanwhile_is_left_alone_and_exits_3(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """Somebody tightened a gate, or rolled back, while the evaluation ran."""
    here = point_at(desk, workspace(), **PROMOTING)
    config = here / "assay.yaml"
    edited = config.read_bytes() + b"# edited while the evaluation ran\n"

    def edit(number: int) -> None:
        if number == 20:
            config.write_bytes(edited)

    desk.on_request = edit
    ran = assay(here, "evaluate", "support:v15", "--json", "-")
    assert ran.exit_code == 3, ran.err
    decision = json.loads(ran.out)
    assert (decision["verdict"], decision["switched"]) == ("promote", None)
    assert "not switched: " in decision["reason"]
    assert config.read_bytes() == edited
    assert not (here / "history.jsonl").exists()


BUG = """
from assay.store.evaluations import EvaluationFolder
def broken(*args, **kwargs):
    raise ZeroDivisionError("a bug put in on purpose")
EvaluationFolder.{method} = broken
"""


@pytest.mark.parametrize("method", ["finished_runs", "rebuild_parquet"])
def test_a_bug_keeps_its_traceback_and_exits_4(
    assay: Assay, workspace: Workspace, tmp_path: Path, method: str
) -> None:
    """Exit code 1 says that the prompt is bad; a bug must never say that."""
    (tmp_path / "sitecustomize.py").write_text(BUG.format(method=method))
    here = workspace()
    ran = assay.cold(here, "evaluate", "support:v14", "--repeats", "1", PYTHONPATH=str(tmp_path))
    assert (ran.exit_code, ran.out) == (4, "")
    assert "Traceback (most recent call last)" in ran.err
    assert "ZeroDivisionError: a bug put in on purpose" in ran.err


def test_results_go_to_standard_output_and_everything_else_to_standard_error(
    promoted: Promoted,
) -> None:
    """`assay evaluate ... > decision.txt` must hold the decision only."""
    assert promoted.ran.out.startswith("promote")
    for said in ("golden tasks x", "a simulation", "Prefect server: http"):
        assert said in promoted.ran.err
        assert said not in promoted.ran.out


def test_status_history_show_and_golden_check_say_what_is(
    assay: Assay, promoted: Promoted, workspace: Workspace
) -> None:
    """Who is on call sees at a glance what is live, since when, and why."""
    here, evaluation_id = promoted.workspace, promoted.evaluation.name
    status = assay(here, "status")
    assert (status.exit_code, status.err) == (0, "")
    assert "active:   support:v15" in status.out
    assert f"{evaluation_id} support:v15 vs support:v13: promote" in status.out
    history = assay(here, "history")
    assert "promote: support:v13 -> support:v15" in history.out
    assert evaluation_id in history.out
    line = json.loads(assay(here, "history", "--json").out)
    assert line["to"] == {"active": "support:v15", "rollback": "support:v13"}
    shown = assay(here, "show", evaluation_id[:18])
    assert shown.exit_code == 0, shown.err
    assert shown.out == promoted.ran.out
    checked = assay(here, "golden", "check")
    assert (checked.exit_code, checked.err) == (0, "")
    assert "27" in checked.out
    nothing = assay(workspace(), "history")
    assert (nothing.exit_code, nothing.out) == (0, "nothing has been switched yet\n")
