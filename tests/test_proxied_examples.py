"""The examples with official clients, unmodified: what is stored is the provider's own count."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from assay.agents.proxy.measured import DIFFERS, NOT_SEEN, warnings_about
from assay.records import RunRecord
from tests.commands import Assay
from tests.fakes.provider import Counted, Provider, Turn, in_a_thread
from tests.test_own_agents import copied, evaluated

EXAMPLES = Path(__file__).parents[1] / "examples"
MUST_RUN = any(os.environ.get(name) for name in ("CI", "ASSAY_REQUIRE_NODE"))
KEY = "sk-real-key-of-the-team"
PAGES = ("parcel", "return", "warranty")
PRICES = {
    name: {"input_per_mtok": 1.0, "cached_input_per_mtok": 0.5, "output_per_mtok": 4.0}
    for name in ("gpt-5-mini", "claude-haiku-4-5")
}


def helps(body: dict[str, Any]) -> Turn:
    """A model that reads the page asked for, or each of them if it is told to be exhaustive."""
    said = json.dumps(body.get("system") or body["messages"][0])
    results = [each for each in body["messages"] if _results(each)]
    if results:
        text = " ".join(_results(results[-1]) if "system" in body else map(_text, results))
        return Turn(text=text, tokens=(300 + len(text), 30), cached=256, reasoning=5)
    question = json.dumps(body["messages"]).lower()
    wanted = PAGES if "exhaustive" in said else [page for page in PAGES if page in question]
    calls = tuple(("read_page", {"name": page}) for page in wanted)
    return Turn(calls=calls, tokens=(200 + len(question), 10 * len(calls)), cached=128)


def _text(message: dict[str, Any]) -> str:
    return str(message["content"])


def _results(message: dict[str, Any]) -> list[str]:
    if message["role"] == "tool":
        return [message["content"]]
    blocks = message["content"] if isinstance(message["content"], list) else []
    return [block["content"] for block in blocks if block["type"] == "tool_result"]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with in_a_thread(Provider(helps)) as opened:
        yield opened


@pytest.fixture(scope="session")
def node_packages() -> None:
    """The client is installed where it is not; in CI it must be there."""
    folder = EXAMPLES / "openai_node_agent"
    if (folder / "node_modules/openai").is_dir() and shutil.which("node"):
        return
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run(command, cwd=folder, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as missing:
        if MUST_RUN:
            raise
        pytest.skip(f"npm cannot install the client: {type(missing).__name__}")


def twins(provider: Provider, path: str = "") -> dict[str, str]:
    return {
        "ASSAY_AGENT__PROXY__BASE_URL": provider.origin + path,
        "ASSAY_AGENT__PRICES": json.dumps(PRICES),
    }


def is_as_counted(runs: list[dict[str, Any]], counted: Counted) -> None:
    """Every column that the provider has a count for."""
    told = asdict(counted)
    names = {"requests": "steps"}
    for name in ("requests", "input_tokens", "output_tokens", "cached_tokens", "tool_calls"):
        column = [run[names.get(name, name)] for run in runs]
        assert sum(column) == told[name], name
    assert {run["stop_reason"] for run in runs} == {"finish"}
    assert all(run["success"] for run in runs), runs[0]
    assert {(run["prompt_version"], run["tool_calls"]) for run in runs} == {("v1", 1), ("v2", 3)}
    fresh = counted.input_tokens - counted.cached_tokens
    spend = (fresh * 1.0 + counted.cached_tokens * 0.5 + counted.output_tokens * 4.0) / 1e6
    assert sum(run["spend_usd"] for run in runs) == pytest.approx(spend)


def test_the_node_example_is_measured_and_judged(
    assay: Assay, provider: Provider, node_packages: None, tmp_path: Path
) -> None:
    """From the installed client's requests to the Parquet files and the exit code."""
    folder = copied("openai_node_agent", tmp_path)
    environ = twins(provider, "/v1") | {"OPENAI_API_KEY": KEY}
    ran = assay(folder, "evaluate", "desk:v2", **environ)
    assert ran.exit_code == 1, ran.err
    assert "through the proxy" not in ran.err
    runs = [
        row for file in sorted(folder.glob("results/*/runs/*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]  # fmt: skip
    assert len(runs) == 2 * 2 * 3
    is_as_counted(runs, provider.counted)
    assert sum(run["reasoning_tokens"] for run in runs) == provider.counted.reasoning_tokens
    assert all(asked.body["stream"] for asked in provider.asked)
    assert {asked.headers["Authorization"] for asked in provider.asked} == {f"Bearer {KEY}"}
    kept = [path.read_bytes() for path in folder.glob("results/**/*") if path.is_file()]
    assert not any(KEY.encode() in text for text in [*kept, ran.out.encode(), ran.err.encode()])


def test_the_anthropic_example_is_measured_and_judged(provider: Provider, tmp_path: Path) -> None:
    """A function that builds its client finds the proxy, and its cached input is counted once."""
    folder = copied("anthropic_python_agent", tmp_path)
    runs, look = evaluated(folder, twins(provider) | {"ASSAY_AGENT__PROCESSES": "1"}, "desk:v2")
    is_as_counted([run.model_dump() for run in runs], provider.counted)
    assert look.judgement.verdict == "reject"
    systems = {json.dumps(asked.body["system"]) for asked in provider.asked}
    assert len(systems) == 2
    assert not any("lamp shop" in system for system in systems)


def test_what_the_proxy_did_not_see_is_said(provider: Provider, tmp_path: Path) -> None:
    """An agent that goes past the proxy, or counts otherwise, must not pass for measured."""
    folder = copied("anthropic_python_agent", tmp_path)
    (folder / "agent.py").write_text(
        "def answer(question): return {'output': 'tracking, 45 days', 'total_tokens': 0}"
    )
    runs, look = evaluated(folder, twins(provider), "desk:v2")
    assert {run.total_tokens for run in runs} == {run.tool_calls for run in runs} == {None}
    assert {run.error for run in runs} == {NOT_SEEN}
    assert [run.trace for run in runs] == [[{"note": NOT_SEEN}]] * len(runs)
    assert look.judgement.verdict == "inconclusive"
    (warning,) = warnings_about(runs)
    assert warning.startswith("12 of 12 runs sent no request through the proxy")


def test_other_figures_than_the_proxys_are_said_once() -> None:
    """For all runs together, with one of them as the example."""
    note = f"{DIFFERS} steps 2; the proxy has counted 3"
    runs = [RunRecord.model_construct(trace=[{"note": note}]) for _ in range(2)]
    runs.append(RunRecord.model_construct(trace=[{"tool": "a", "outcome": "requested"}]))
    (warning,) = warnings_about(runs)
    assert warning == (
        "2 of 3 runs report other figures than the proxy has counted; its own are stored. In one"
        " of them, the agent says steps 2; the proxy has counted 3"
    )
