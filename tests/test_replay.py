"""Evaluations that are recorded and replayed: the same verdict, and nothing happens twice."""

import json
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay.config import load_config
from assay.errors import InputError
from assay.evaluation import open_evaluation
from assay.forecast.recorded import recorded_runs
from assay.plan import Plan, folder_of
from assay.records import RunRecord
from assay.store.replay import ReplayMode
from tests.carrying_out import carried_out, judged, planned, what_it_did
from tests.commands import Assay
from tests.conftest import ROOT, Workspace
from tests.fakes.desk_server import DeskServer, point_at
from tests.test_readme import blocks

TOOLS = """
from pathlib import Path

EXECUTED = Path(__file__).with_name("executed.txt")


def _tool(name, result):
    def tool(**arguments) -> list[dict]:
        with EXECUTED.open("a") as file:
            file.write(name + "\\n")
        return [{"id": len(EXECUTED.read_text().split()), "text": result}]

    return tool


def _offer(name):
    from pydantic_ai import Tool

    schema = {"type": "object", "properties": {"query": {"type": "string"}}}
    return Tool.from_schema(_tool(name, "something"), name, f"The tool {name}.", schema)


TOOLS = [_offer(name) for name in ("kb.search", "kb.read", "orders.lookup", "send_email")]
"""
TOOLSET = '''

from pydantic_ai.toolsets import FunctionToolset


class Remote(FunctionToolset):
    async def __aenter__(self):
        with Path(__file__).with_name("opened.txt").open("a") as file:
            file.write("opened\\n")
        return await super().__aenter__()


def remote(query: str) -> str:
    """Ask far away."""


TOOLS = [each for each in TOOLS if each.name != "send_email"]
TOOLS += [Remote([remote]), FunctionToolset([_offer("send_email")])]
'''
_watching: list[list[str]] = []


def _audit(event: str, _: object) -> None:
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        for seen in _watching:
            seen.append(event)


sys.addaudithook(_audit)  # none can be taken away again


@contextmanager
def sockets_used() -> Iterator[list[str]]:
    """What this process did with sockets until the block ends."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


@pytest.fixture
def here(workspace: Workspace, desk: DeskServer) -> Path:
    """A copy of the sample with a model behind HTTP, and tools that note each execution."""
    place = point_at(desk, workspace(), tasks=1, repeats=3)
    (place / "support_desk" / "tools.py").write_text(TOOLS)
    return place


def executed(here: Path) -> int:
    return len((here / "support_desk" / "executed.txt").read_text().split())


def recorded(here: Path, candidate: str = "support:v14", **asked: Any) -> Plan:
    plan = planned(here, candidate, records=True, **asked)
    carried_out(plan)
    return plan


def with_clocks(runs: list[RunRecord]) -> list[dict[str, Any]]:
    """What runs did, and how long it took."""
    return [what_it_did(run) | {"latency_s": run.latency_s, "replayed": None} for run in runs]


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_replay_of_all_is_the_evaluation_again_without_a_socket(
    here: Path, desk: DeskServer
) -> None:
    """For CI: no network, no key, no server, no tool, and the same figures and verdict."""
    with sockets_used() as while_recording:
        plan = planned(here, "support:v14", records=True)
        runs = carried_out(plan)
    assert while_recording, "the watch sees nothing"
    asked, done = len(desk.asked), executed(here)

    again = planned(here, "support:v14", replay=ReplayMode.ALL)
    with sockets_used() as seen:
        replayed = carried_out(again)
    assert seen == []
    assert (len(desk.asked), executed(here)) == (asked, done)
    assert with_clocks(replayed) == with_clocks(runs)
    assert judged(again, replayed).judgement.verdict == judged(plan, runs).judgement.verdict
    assert {run.replayed for run in replayed} == {f"all:{plan.evaluation_id}"}


def test_the_sample_comes_to_the_same_judgement_from_its_record(workspace: Workspace) -> None:
    """The whole of it: 27 golden tasks with parallel calls, failing shards and mails."""
    here = workspace()
    plan = planned(here, "support:v15", repeats=3, records=True)
    runs = carried_out(plan)
    again = planned(here, "support:v15", replay=ReplayMode.ALL)
    replayed = carried_out(again)
    assert with_clocks(replayed) == with_clocks(runs)
    assert repr(judged(again, replayed).judgement.comparisons) == repr(
        judged(plan, runs).judgement.comparisons
    )


def test_what_a_replay_of_all_was_asked_follows_from_the_record(here: Path) -> None:
    """The recorded evaluation may have switched, so that the active prompt is another now."""
    plan = recorded(here, repeats=2, seed=7)
    change(here / "assay.yaml", 'active: "support:v13"', 'active: "support:v14"')
    again = planned(here, "support:v14", replay=ReplayMode.ALL)
    assert (again.baseline.ref, again.repeats, again.seed) == ("support:v13", 2, 7)
    assert again.replay is not None
    assert again.replay.evaluation_id == plan.evaluation_id


def test_under_a_replay_of_tools_the_model_is_asked_and_no_tool_is_executed(
    here: Path, desk: DeskServer
) -> None:
    """Nobody gets a second mail because somebody compares prompts."""
    plan = recorded(here)
    asked, done = len(desk.asked), executed(here)
    again = planned(here, "support:v14", replay=ReplayMode.TOOLS, record_of=plan.evaluation_id)
    runs = carried_out(again)
    assert {run.stop_reason for run in runs} == {"finish"}
    assert (len(desk.asked), executed(here)) == (2 * asked, done)


@pytest.mark.parametrize("mode", list(ReplayMode))
def test_a_replay_opens_no_toolset_and_no_server(here: Path, mode: ReplayMode) -> None:
    """It would start programs and connections; what it offered is in the record."""
    with (here / "support_desk" / "tools.py").open("a") as tools:
        tools.write(TOOLSET)
    runs = carried_out(planned(here, "support:v14", records=True))
    opened = Path(here / "support_desk" / "opened.txt")
    assert opened.read_text() == "opened\n"
    again = carried_out(planned(here, "support:v14", replay=mode))
    assert opened.read_text() == "opened\n"
    assert {run.stop_reason for run in again} == {"finish"}
    assert {run.tools_hash for run in again} == {run.tools_hash for run in runs}


def test_a_resumed_replay_is_still_one(here: Path) -> None:
    """`--resume ID` alone must not go on with the world where a record began."""
    recorded(here)
    begun = planned(here, "support:v14", replay=ReplayMode.TOOLS)
    carried_out(begun)
    again = planned(here, "support:v14", resume=begun.evaluation_id)
    assert (again.replay, again.evaluation_id) == (begun.replay, begun.evaluation_id)


def test_a_miss_ends_a_run_without_blame_and_without_a_live_call(here: Path) -> None:
    """The exhaustive prompt searches for things that the record of the brief one never asked."""
    plan = recorded(here, "support:v15")
    done = executed(here)
    again = planned(here, "support:v14", replay=ReplayMode.TOOLS)
    assert again.replay is not None
    assert again.replay.evaluation_id == plan.evaluation_id
    runs = carried_out(again)
    missed = [run for run in runs if run.stop_reason == "infra_error"]
    assert {run.prompt_version for run in missed} == {"v14"}
    assert {run.success for run in missed} == {None}
    assert missed[0].error == 'not in the record: kb_search({"query":"delivery time"})'
    assert executed(here) == done


def test_a_replay_and_faults_are_other_questions(here: Path) -> None:
    """Runs in another world are not pooled with those of this one, nor gone on with."""
    plan = recorded(here)
    replayed = planned(here, "support:v14", replay=ReplayMode.TOOLS)
    carried_out(replayed)
    for made in (plan, replayed):
        folder_of(made).rebuild_parquet()
    known = recorded_runs(planned(here, "support:v14"))
    assert known is not None
    assert set(known.runs["evaluation_id"].to_pylist()) == {plan.evaluation_id}
    change(
        here / "assay.yaml", "repeats: 3", "repeats: 3\n  faults: {kb.search: {error_rate: 0.5}}"
    )
    faulty = planned(here, "support:v14")
    assert len({plan.question_hash, replayed.question_hash, faulty.question_hash}) == 3
    assert recorded_runs(faulty) is None


def test_faults_are_recorded_around_and_replayed(here: Path) -> None:
    """The record holds what the tools said; what goes wrong on purpose is drawn again."""
    faults = "repeats: 3\n  faults: {kb.search: {error_rate: 0.4, empty_rate: 0.3}}"
    change(here / "assay.yaml", "repeats: 3", faults)
    runs = carried_out(plan := planned(here, "support:v14", records=True))
    met = {call.get("fault") for run in runs for call in run.trace}
    assert met == {None, "injected fault: error", "injected fault: empty result"}
    assert {run.faults_hash for run in runs} == {plan.config.faults_hash}
    again = planned(here, "support:v14", replay=ReplayMode.ALL)
    assert with_clocks(carried_out(again)) == with_clocks(runs)


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("assay.yaml", "model: desk-1", "model: desk-2", "agent.model was desk-1 and is desk-2"),
        (
            "assay.yaml",
            "  tools: support",
            "  model_settings: {temperature: 1}\n  tools: support",
            "agent.model_settings.temperature was None and is 1",
        ),
        (
            "assay.yaml",
            "repeats: 3",
            "repeats: 3\n  faults: {kb.search: {error_rate: 0.5}}",
            "testing.faults are others",
        ),
        ("support_desk/tools.py", '{"query"', '{"text"', "tool `kb.read` gained field `text`; "),
    ],
)
async def test_a_record_of_another_world_is_refused_with_what_changed(
    here: Path, file: str, before: str, after: str, words: str
) -> None:
    """Before any run: a night of misses would say the same, and later."""
    recording = planned(here, "support:v14", records=True)
    async with open_evaluation(recording, on_run=lambda _: None, max_concurrency=1):
        pass
    change(here / file, before, after)
    plan = planned(here, "support:v14", replay=ReplayMode.ALL)
    with pytest.raises(InputError, match=re.escape(words)):
        async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=1):
            pass


def test_a_prompt_whose_text_changed_is_refused(here: Path) -> None:
    """What the model said to another text is no evidence."""
    recorded(here)
    change(here / "prompts" / "support" / "v14.md", "exhaustive:", "brief:")
    (here / "prompts" / "lock.yaml").unlink()
    with pytest.raises(InputError, match=r"support:v14:\w+ is not in the record of evaluation"):
        planned(here, "support:v14", replay=ReplayMode.ALL)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"record_of": "x"}, "--record-of is given without --replay"),
        ({"replay": ReplayMode.TOOLS}, "no evaluation on these golden tasks has a record"),
        ({"replay": ReplayMode.ALL}, "no evaluation of these prompts on these golden tasks has"),
        ({"replay": ReplayMode.ALL, "record_of": "2026"}, "no evaluation '2026'"),
        ({"replay": ReplayMode.ALL, "records": True}, "--record with --replay all"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    here: Path, asked: dict[str, Any], words: str
) -> None:
    """Silently asking the world instead would be what nobody wanted."""
    with pytest.raises(InputError, match=re.escape(words)):
        planned(here, "support:v14", **asked)


def test_other_agents_are_refused_until_their_exchanges_are_seen(workspace: Workspace) -> None:
    """A record without a model in it would be believed."""
    here = workspace()
    text = (here / "assay.yaml").read_text()
    own = 'agent: {kind: http, url: "http://127.0.0.1:9/"}\n'
    config = text[: text.index("agent:")] + own + text[text.index("# How much worse") :]
    (here / "assay.yaml").write_text(config)
    for asked in ({"records": True}, {"replay": ReplayMode.TOOLS}):
        with pytest.raises(InputError, match="an agent of kind 'http'"):
            planned(here, "support:v14", **asked)
    change(
        here / "assay.yaml",
        "repeats: 20 ",
        "faults: {kb.search: {error_rate: 0.5}}\n  repeats: 20 ",
    )
    with pytest.raises(InputError, match=r"assay\.yaml:16: faults are put into the tools of"):
        load_config(here / "assay.yaml", {})


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("{kb.search: {error_rate: 0.8, empty_rate: 0.3}}", "error_rate and empty_rate are 1.1"),
        ("{kb.search: {error_rate: 2}}", "testing.faults.kb.search.error_rate must be at most 1"),
        ("{kb.search: {speed: 2}}", "speed"),
    ],
)
def test_a_fault_that_cannot_be_is_a_mistake_with_its_line(
    workspace: Workspace, faults: str, words: str
) -> None:
    """As every other mistake in the configuration."""
    here = workspace()
    change(here / "assay.yaml", "repeats: 20 ", f"faults: {faults}\n  repeats: 20 ")
    with pytest.raises(InputError, match=r"assay\.yaml:1\d: ") as refused:
        load_config(here / "assay.yaml", {})
    assert words in str(refused.value)


def test_a_fault_of_a_tool_that_is_not_there_is_refused(here: Path) -> None:
    """It would be none, and the test would be passed."""
    change(here / "assay.yaml", "repeats: 3", "repeats: 3\n  faults: {kb.find: {error_rate: 0.5}}")
    with pytest.raises(InputError, match=r"testing\.faults names 'kb\.find', which is not a tool"):
        carried_out(planned(here, "support:v14"))


@pytest.mark.slow
def test_a_record_survives_a_kill_and_replays_what_the_resumed_evaluation_decided(
    assay: Assay, workspace: Workspace, desk: DeskServer
) -> None:
    """From the command line: killed while recording, gone on with, then replayed as CI would."""
    here = point_at(desk, workspace())
    desk.hold_after(40)
    running = assay.start(here, "evaluate", "support:v14", "-j", "4", "--record")
    desk.wait_until_held(4)
    running.signal(signal.SIGKILL)
    running.wait()
    desk.drop_held()
    first = assay(here, "evaluate", "support:v14", "-j", "4")
    assert first.exit_code == 1, first.err
    (folder,) = (path.parent for path in (here / "results").glob("*/record.jsonl.gz"))
    asked = len(desk.asked)

    again = assay(here, "evaluate", "support:v14", "--replay", "all", "--json", "replay.json")
    assert again.exit_code == 1, again.err
    assert f"replayed (all) from the record of evaluation {folder.name}" in again.out
    assert len(desk.asked) == asked
    then, now = (
        json.loads(path.read_text()) for path in (folder / "decision.json", here / "replay.json")
    )
    assert now.pop("replayed") == {"mode": "all", "evaluation_id": folder.name}
    for decision in (then, now):
        for name in ("evaluation_id", "seconds", "replayed"):
            decision.pop(name, None)
    assert now == then

    refused = assay(here, "promote", "support:v14", "--evaluation", now_id(here, folder))
    assert refused.exit_code == 3


def now_id(here: Path, recorded: Path) -> str:
    """The id of the evaluation beside the recorded one."""
    (other,) = (p.name for p in (here / "results").iterdir() if p.is_dir() and p != recorded)
    return other


@pytest.mark.slow
def test_the_manuals_commands_end_as_it_says(assay: Assay, workspace: Workspace) -> None:
    """What is printed in the manual is what people paste."""
    here = workspace()
    manual = blocks((ROOT / "docs" / "replay.md").read_text(encoding="utf-8"))
    typed = [shlex.split(line) for block in manual for line in block.script.splitlines()]
    assert len(typed) == 2
    for program, *arguments in typed:
        assert program == "assay"
        ran = assay(here, *arguments)
        assert ran.exit_code == 0, ran.err
    assert "everything is answered by the record of evaluation" in ran.err
    assert 'active: "support:v13"' in (here / "assay.yaml").read_text()
