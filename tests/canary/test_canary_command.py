"""`assay canary ...` as typed, on the sample workspace with a simulated production."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.history import read_history
from assay.pointers import NO_CANARY, read_pointer_file, sha256_hex
from assay.prompts import load_prompt
from tests.commands import Assay
from tests.conftest import ROOT, Find, Promoted, Workspace
from tests.fakes.production import Production

SECTION = """
rollout:
  canary:
    version: null
    share: 0.05
    run_log: logs/*.jsonl
"""
WATCH = """
import asyncio, sys
from prefect.flows import load_flow_from_entrypoint
flow = load_flow_from_entrypoint("flows/canary.py:canary_watch")
state = asyncio.run(flow(config=sys.argv[1], return_state=True))
print(state.state_details.flow_run_id)
"""


def with_section(folder: Path) -> Path:
    config = folder / "assay.yaml"
    config.write_text(config.read_text() + SECTION)
    return folder


def production(here: Path, version: str, active: str = "v13") -> Production:
    ids = [load_prompt(here / "prompts", f"support:{v}").prompt_id for v in (active, version)]
    return Production(here / "logs" / "runs.jsonl", *ids, at=datetime.now(UTC))


def test_from_the_start_to_the_alarm(assay: Assay, workspace: Workspace) -> None:
    """All that one types, in order; the exit code of an alarm is not that of a reject."""
    here = with_section(workspace())
    started = assay(here, "canary", "start", "v14", "--force", "--reason", "try", "--share", "0.2")
    assert (started.exit_code, started.out) == (
        0, "no canary -> canary support:v14 at 0.2\n",
    ), started.err  # fmt: skip
    assert assay(here, "canary", "watch", "--once").exit_code == 3  # no data
    traffic = production(here, "v14")
    traffic.runs(80)
    watching = assay(here, "canary", "watch", "--once")
    assert watching.exit_code == 0, watching.err
    assert watching.out.startswith("watching: ")
    traffic.runs(200, tokens=1.9, calls=2.75)
    alarm = assay(here, "canary", "watch", "--every", "1")
    assert alarm.exit_code == 3, alarm.err
    assert re.match(r"alarm: support:v14: (tool calls|mean tokens) x\d", alarm.out)
    assert read_pointer_file(here / "assay.yaml").canary == NO_CANARY
    again = assay(here, "canary", "watch", "--once")
    assert (again.exit_code, again.out) == (0, "no canary runs\n")
    status = assay(here, "canary", "status")
    assert status.out.startswith("no canary\nalarm: support:v14")
    assert "canary_alarm" in assay(here, "history").out
    assert "canary support:v14 at 0.2 -> no canary" in assay(here, "status").out


def test_evidence_is_asked_for_and_an_alarm_outweighs_it(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """A canary begins on a promote; once production has refuted that, only force begins it."""
    here = promoted.copy(tmp_path)
    (here / "assay.yaml").write_bytes(promoted.before + SECTION.encode())
    began = assay(here, "canary", "start", "v15", "--evaluation", promoted.evaluation.name)
    assert began.exit_code == 0, began.err
    start = read_history(here / "assay.yaml").canaries[-1]
    assert start.cause.evaluation_id == promoted.evaluation.name
    assert start.cause.evidence_sha256
    traffic = production(here, "v15")
    traffic.share = 0.2
    traffic.runs(300, calls=3.0)
    assert assay(here, "canary", "watch", "--once").exit_code == 3
    refused = assay(here, "canary", "start", "v15", "--evaluation", promoted.evaluation.name)
    assert refused.exit_code == 3
    assert "was taken back at" in refused.err
    assert assay(here, "unfreeze", "--reason", "mended").exit_code == 0
    forced = assay(here, "canary", "start", "v15", "--force", "--reason", "the tool was broken")
    assert forced.exit_code == 0, forced.err
    stopped = assay(here, "canary", "stop", "--reason", "enough")
    assert stopped.out == "canary support:v15 at 0.05 -> no canary\n"
    assert assay(here, "canary", "stop").out == "nothing to change: no canary\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("start", "v14"), "one of the arguments --evaluation --force is required"),
        (("start", "v14", "--force"), "--force needs a reason"),
        (("start", "v99", "--force", "--reason", "x"), "no such prompt version"),
        (("start", "v14", "--force", "--reason", "x", "--share", "1.5"), "--share 1.5 is no share"),
        (("start", "v14", "--evaluation", "nowhere"), "nowhere"),
        (("watch", "--every", "0"), "is too often"),
        (("watch", "--every", "nan"), "is too often"),
    ],
)
def test_what_was_mistyped_is_said(
    assay: Assay, workspace: Workspace, arguments: tuple[str, ...], problem: str
) -> None:
    """Exit code 2, and the file as it was."""
    here = with_section(workspace())
    before = (here / "assay.yaml").read_bytes()
    ran = assay(here, "canary", *arguments)
    assert ran.exit_code == 2
    assert problem in ran.err
    assert (here / "assay.yaml").read_bytes() == before


@pytest.mark.slow
def test_the_flow_looks_ends_and_tells(
    workspace: Workspace, find: Find, prefect_environ: dict[str, str], assay: Assay
) -> None:
    """As the deployment runs it, on a real server: silent without a canary; then the alarm."""
    here = with_section(workspace())

    def watched() -> tuple[str, list[str]]:
        words = [sys.executable, "-c", WATCH, str(here / "assay.yaml")]
        done = subprocess.run(
            words, cwd=ROOT, env=prefect_environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        only = {"flow_runs": {"id": {"any_": [done.stdout.split()[-1]]}}}
        (run,) = find("flow_runs", only)
        assert run["state"]["type"] == "COMPLETED"
        return run["state"]["name"], [str(each["data"]) for each in find("artifacts", only)]

    assert watched() == ("no canary", [])
    assay(here, "canary", "start", "v14", "--force", "--reason", "try", "--share", "0.2")
    traffic = production(here, "v14")
    traffic.runs(300, tokens=1.9, calls=2.75)
    name, artifacts = watched()
    assert name == "alarm"
    assert any(page.startswith("# alarm") and "tool calls" in page for page in artifacts)
    assert read_pointer_file(here / "assay.yaml").canary == NO_CANARY
    assert read_history(here / "assay.yaml").canaries[-1].cause.action == "canary_alarm"
    assert watched() == ("no canary", [])


STEPPED = SECTION.replace("rollout:\n", "rollout:\n  frozen: false\n") + (
    "    steps: [0.2, 0.5]\n    step_runs: 20\n    step_hours: 0\n"
    "    gates: {mean_tokens: 1, mean_tool_calls: 1, mean_spend: 1, mean_latency: 1,\n"
    "      p95_exceedance: null, error_share: 0.4, stop_share: 0.4, success_drop: 0.4}\n"
)


def test_a_promote_goes_through_a_canary(assay: Assay, promoted: Promoted, tmp_path: Path) -> None:
    """The evaluation's end says so; the watch raises the share and makes it active."""
    here = promoted.copy(tmp_path)
    config, evaluation = here / "assay.yaml", here / "results" / promoted.evaluation.name
    config.write_bytes(promoted.before + STEPPED.encode())
    (evaluation / "decision.json").unlink()  # as it was before its verdict: only that is made
    (here / "history.jsonl").unlink()
    journal = evaluation / "journal.jsonl"
    text = journal.read_text().replace(str(promoted.workspace), str(here))
    journal.write_text(text.replace(sha256_hex(promoted.before), sha256_hex(config.read_bytes())))
    ran = assay(here, "evaluate", "support:v15", "--json", "-")
    decision = json.loads(ran.out)
    assert decision["reason"].endswith("; promoted to a canary (20 %)")
    assert (ran.exit_code, decision["verdict"], decision["switched"]) == (0, "promote", None)
    assert decision["canary"] == {"version": "support:v15", "share": 0.2}
    assert read_pointer_file(config).snapshot.pointers.active == "support:v13"
    start = read_history(config).canaries[-1].cause
    assert (start.action, start.evaluation_id) == ("canary_start", evaluation.name)
    traffic = production(here, "v15")
    for share, said in ((0.2, "share raised: "), (0.5, "promoted: ")):
        traffic.share = share
        traffic.runs(400)
        watched = assay(here, "canary", "watch", "--once")
        assert watched.out.startswith(said), watched.out
        traffic.at = datetime.now(UTC)
    assert read_pointer_file(config).snapshot.pointers.active == "support:v15"
    last = read_history(config).entries[-1].cause
    assert last.action == "promote"
    assert "no worse within the margins" in last.reason
    verified = assay(here, "history", "verify")
    assert verified.exit_code == 0, verified.out
    assert "changed" not in verified.out


def test_by_hand_a_promote_begins_a_canary_and_a_freeze_forbids_it(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """`assay promote` follows the same rule as an evaluation; `--force` does not."""
    here = promoted.copy(tmp_path)
    (here / "assay.yaml").write_bytes(promoted.before + STEPPED.encode())
    (here / "history.jsonl").unlink()
    words = ("promote", "v15", "--evaluation", promoted.evaluation.name)
    assert assay(here, "freeze", "--reason", "3 a.m.").exit_code == 0
    refused = assay(here, *words)
    assert (refused.exit_code, "assay unfreeze" in refused.err) == (3, True)
    assert assay(here, "unfreeze", "--reason", "mended").exit_code == 0
    begun = assay(here, *words)
    assert begun.out == "no canary -> canary support:v15 at 0.2\n", begun.err
    assert assay(here, *words).out == "nothing to change: canary support:v15 at 0.2\n"
    too_early = assay(here, "canary", "promote")
    assert (too_early.exit_code, "no data" in too_early.err) == (3, True)
    approved = assay(here, "approve", promoted.evaluation.name)
    assert approved.out == "nothing to change: canary support:v15 at 0.2\n", approved.err
    assert assay(here, "canary", "stop", "--reason", "enough").exit_code == 0
    again = assay(here, "approve", promoted.evaluation.name)
    assert (again.exit_code, "began a canary, which ended" in again.err) == (3, True)
    actions = [entry.cause.action for entry in read_history(here / "assay.yaml").all]
    assert actions == ["freeze", "unfreeze", "canary_start", "canary_stop"]
    forced = assay(here, "promote", "v15", "--force", "--reason", "it cannot wait")
    assert forced.out.startswith("active: support:v13 -> support:v15\n"), forced.err
