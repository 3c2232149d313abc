"""What a provider under load costs an evaluation: ours beside a plain loop, in one run.

20 golden tasks x 2 prompts x 6 repeats = 240 runs of 4 model requests each, concurrency 16,
against a provider on loopback (a process of its own) that answers a tenth of the requests
429, half of these with `Retry-After: 1`, and never answers 2 %. Ours is a whole evaluation
but Prefect; plain is asyncio and aiohttp with the same requests, time-out, attempts and
backoff, each request for itself. The same without faults shows what the limiter costs. The
two take turns, each against a provider of its own that has the same chances. Run it:

    python bench/load.py [--latency-s 0.25] [--timeout-s 5] [--turns 3]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from assay.backoff import Backoff
from assay.evaluation import open_evaluation
from assay.sections import Execution
from assay.settling import Request, settle

SERVER = Path(__file__).parents[1] / "tests" / "fakes" / "faulty_provider.py"
TASKS, REPEATS, CALLS, CONCURRENCY = 20, 6, 3, 16
RUNS = 2 * TASKS * REPEATS
ATTEMPTS = Execution().attempts
FAULTS = {"none": (0.0, 0.0), "10 % 429, 2 % unanswered": (0.1, 0.02)}
ARTICLE = "The bearings are sealed and need no grease. " * 12
TOOLS = f'''
def kb_search(query: str) -> str:
    """Search the knowledge base."""
    return {ARTICLE!r}

TOOLS = [kb_search]
'''
CONFIG = """
prompts: {active: "a:v1", rollback: "a:v1"}
testing: {repeats: 6, rounds: [6]}
agent: {model: faulty, base_url: "%s", tools: tools.py}
execution: {max_concurrency: %d, request_timeout_s: %g}
"""
Way = Callable[[str, float], Awaitable[int]]
"""Makes the runs against a base URL under a time-out; how many were lost."""


@contextmanager
def served(*, latency_s: float, refuses: float, forgets: float, seed: int) -> Iterator[str]:
    """The provider in a process of its own; its base URL."""
    figures = {"latency-s": latency_s, "refuses": refuses, "forgets": forgets}
    counts = {"seed": seed, "calls": CALLS}
    options = [f"--{name}={value}" for name, value in (figures | counts).items()]
    command = [sys.executable, str(SERVER), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def workspace(folder: Path, base_url: str, timeout_s: float) -> Path:
    """A workspace with two prompts and the golden tasks; its configuration."""
    (folder / "prompts" / "a").mkdir(parents=True)
    (folder / "prompts" / "a" / "v1.md").write_text("Answer.\n")
    (folder / "prompts" / "a" / "v2.md").write_text("Answer well.\n")
    (folder / "golden").mkdir()
    tasks = ({"id": f"t{n}", "input": "Is the bearing sealed?"} for n in range(TASKS))
    (folder / "golden" / "a.jsonl").write_text("".join(json.dumps(t) + "\n" for t in tasks))
    (folder / "tools.py").write_text(TOOLS)
    (folder / "assay.yaml").write_text(CONFIG % (base_url, CONCURRENCY, timeout_s))
    return folder / "assay.yaml"


async def ours(base_url: str, timeout_s: float) -> int:
    """One evaluation's runs, and its Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        request = Request(candidates=("v2",), config=workspace(Path(folder), base_url, timeout_s))
        plan = settle(request, environ={}, now=datetime.now(UTC))
        async with open_evaluation(
            plan, on_run=lambda _: None, max_concurrency=CONCURRENCY
        ) as evaluation:
            for this_round in evaluation.rounds():
                await asyncio.gather(
                    *(
                        evaluation.make_run(cell, repeat=repeat, round_number=this_round.number)
                        for cell in this_round.cells
                        for repeat in this_round.repeats
                    )
                )
            evaluation.folder.rebuild_parquet()
            runs = evaluation.folder.finished_runs()
    return RUNS - sum(run.stop_reason == "finish" for run in runs)


async def plain(base_url: str, timeout_s: float) -> int:
    """The same requests, each tried again for itself."""
    gate, backoff = asyncio.Semaphore(CONCURRENCY), Backoff()

    async def ask(session: aiohttp.ClientSession, body: object) -> dict[str, object] | None:
        for tries in range(1, ATTEMPTS + 1):
            asked_s = None
            try:
                async with session.post(f"{base_url}/chat/completions", json=body) as response:
                    if response.status == 200:
                        return (await response.json())["choices"][0]["message"]
                    asked_s = float(response.headers.get("Retry-After", 0)) or None
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(backoff.wait_s(tries=tries, asked_s=asked_s) or 0.0)
        return None

    async def run(session: aiohttp.ClientSession) -> bool:
        messages = [{"role": "user", "content": "Is the bearing sealed?"}]
        async with gate:
            for _ in range(CALLS + 1):
                message = await ask(session, {"model": "faulty", "messages": messages})
                if message is None:
                    return True
                messages += [message, {"role": "tool", "tool_call_id": "1", "content": ARTICLE}]
        return False

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONCURRENCY),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
    ) as session:
        return sum(await asyncio.gather(*(run(session) for _ in range(RUNS))))


def measured(way: Way, base_url: str, timeout_s: float) -> tuple[float, int]:
    """Wall seconds, and runs that were lost."""
    began = time.perf_counter()
    lost = asyncio.run(way(base_url, timeout_s))
    return time.perf_counter() - began, lost


def main() -> None:
    """Take turns, then print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency-s", type=float, default=0.25)
    options.add_argument("--timeout-s", type=float, default=5.0)
    options.add_argument("--turns", type=int, default=3)
    given = options.parse_args()
    print(
        f"{RUNS} runs of {CALLS + 1} requests, concurrency {CONCURRENCY}, {os.cpu_count()} cores,"
    )
    print(
        f"latency {given.latency_s:g} s, time-out {given.timeout_s:g} s, median of {given.turns}\n"
    )
    print("| faults | plain, s | lost | Assay, s | lost | ratio |\n|---|---|---|---|---|---|")
    with served(latency_s=0.0, refuses=0.0, forgets=0.0, seed=0) as base_url:
        measured(ours, base_url, given.timeout_s)  # a warm-up: what is imported on the way
    for name, (refuses, forgets) in FAULTS.items():
        walls: dict[str, list[float]] = {"plain": [], "ours": []}
        losses = {"plain": 0, "ours": 0}
        for turn in range(given.turns):
            for who, way in (("plain", plain), ("ours", ours)):
                with served(
                    latency_s=given.latency_s, refuses=refuses, forgets=forgets, seed=turn
                ) as base_url:
                    wall_s, lost = measured(way, base_url, given.timeout_s)
                walls[who].append(wall_s)
                losses[who] += lost
        theirs, mine = (statistics.median(walls[who]) for who in ("plain", "ours"))
        figures = f"{theirs:.1f} | {losses['plain']} | {mine:.1f} | {losses['ours']}"
        print(f"| {name} | {figures} | {mine / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
