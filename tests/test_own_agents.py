"""Agents that are not ours, from the configuration to the verdict: the examples, and no figures."""

import asyncio
import importlib.util
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from assay.decision import Look
from assay.records import RunRecord
from assay.settling import Request, settle
from tests.carrying_out import carried_out, judged
from tests.commands import Assay

EXAMPLES = Path(__file__).parents[1] / "examples"


def evaluated(
    folder: Path, environ: dict[str, str] | None = None, candidate: str = "faq:v2"
) -> tuple[list[RunRecord], Look]:
    """`assay evaluate CANDIDATE` in a copy of an example, without Prefect."""
    request = Request(candidates=(candidate,), config=folder / "assay.yaml")
    plan = settle(request, environ=environ or {}, now=datetime.now(UTC))
    runs = carried_out(plan)
    return runs, judged(plan, runs)


def copied(name: str, tmp_path: Path) -> Path:
    return shutil.copytree(
        EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("results", "__pycache__")
    )


def rejects_the_exhaustive_prompt(runs: list[RunRecord], look: Look) -> None:
    assert len(runs) == 2 * 3 * 5
    assert {run.stop_reason for run in runs} == {"finish"}
    assert all(run.success for run in runs)
    assert {(run.agent, run.model) for run in runs} == {("faq", "none")}
    assert {(run.prompt_version, run.tool_calls) for run in runs} == {("v1", 1), ("v2", 3)}
    assert runs[0].tool_calls_by_tool == {"read_page": runs[0].tool_calls}
    assert look.judgement.verdict == "reject"


def test_the_python_example_is_judged(tmp_path: Path) -> None:
    """A function and five lines of configuration."""
    rejects_the_exhaustive_prompt(*evaluated(copied("python_agent", tmp_path)))


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param(
            {},
            id="node",
            marks=pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here"),
        ),
        pytest.param(
            {
                "ASSAY_AGENT__COMMAND": json.dumps([sys.executable, "agent.py"]),
                "ASSAY_AGENT__POOL": "",
            },
            id="python",
        ),
    ],
)
def test_the_command_example_is_judged(tmp_path: Path, environ: dict[str, str]) -> None:
    """In a pool, and with a process for each run."""
    rejects_the_exhaustive_prompt(*evaluated(copied("command_agent", tmp_path), environ))


def test_the_http_example_is_judged(tmp_path: Path) -> None:
    """Its service is started as its README says, on a free port."""
    with serving(_service()) as port:
        url = {"ASSAY_AGENT__URL": f"http://127.0.0.1:{port}/chat"}
        rejects_the_exhaustive_prompt(*evaluated(copied("http_agent", tmp_path), url))


def test_an_agent_that_reports_nothing_cannot_pass_a_gate(assay: Assay, tmp_path: Path) -> None:
    """Unknown is neither 0 nor equal: from the function to the exit code, nothing is promoted."""
    folder = copied("python_agent", tmp_path)
    (folder / "agent.py").write_text(
        "def run(input, system_prompt): return 'tracking, 45 days, three years'"
    )
    ran = assay(folder, "evaluate", "faq:v2", "--json", "-")
    assert ran.exit_code == 3, ran.err
    decision: dict[str, Any] = json.loads(ran.out)
    assert decision["verdict"] == "inconclusive"
    results = {gate["metric"]: gate["result"] for gate in decision["gates"] if gate["margin"]}
    assert results["total_tokens"] == results["tool_calls"] == "undecided"
    assert decision["spend_usd"] is None
    assert "faq:v1" in (folder / "assay.yaml").read_text()


def test_a_run_that_was_under_way_is_made_anew(tmp_path: Path) -> None:
    """Only the built-in loop has a tape; finished runs are kept by every kind of agent."""
    folder = copied("python_agent", tmp_path)
    runs, _ = evaluated(folder)
    (results,) = (folder / "results").iterdir()
    journal = results / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]))  # killed before the last run's end was written
    again, _ = evaluated(folder)
    assert sorted(run.run_id for run in again) == sorted(run.run_id for run in runs)
    ends = [json.loads(line) for line in journal.read_text().splitlines()]
    assert sum(line["type"] == "run_end" for line in ends) == len(runs)


def _service() -> web.Application:
    spec = importlib.util.spec_from_file_location("faq_server", EXAMPLES / "http_agent/server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    service: web.Application = module.service()
    return service


@contextmanager
def serving(app: web.Application) -> Iterator[int]:
    """The port of an application that is served from a thread."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
