"""What a whole evaluation costs beside its model: the harness against a bare loop.

20 golden tasks x 2 prompts x 5 repeats = 200 runs of 8 model requests and 7 tool calls each,
concurrency 50, against a server on loopback (a process of its own, whose time is not
counted). Ours is everything that an evaluation does but Prefect: plan, agent loop, budgets,
tapes, journal with fsync, checks, Parquet. Bare is asyncio and aiohttp with the same
requests. The two take turns. Run it:

    python bench/harness.py [--latency-s 0.0] [--turns 3]
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
from aiohttp import web

from assay.evaluation import open_evaluation
from assay.settling import Request, settle

TASKS, REPEATS, CALLS, CONCURRENCY = 20, 5, 7, 50
RUNS = 2 * TASKS * REPEATS
REQUESTS = RUNS * (CALLS + 1)
TOOLS = '''
def kb_search(query: str) -> str:
    """Search the knowledge base."""
    return "The bearings are sealed and need no grease. " * 12

TOOLS = [kb_search]
'''
CONFIG = """
prompts: {active: "a:v1", rollback: "a:v1"}
testing: {repeats: 5}
agent: {model: fake, base_url: "%s", tools: tools.py}
execution: {max_concurrency: 50}
"""


async def answer(request: web.Request) -> web.Response:
    """Seven tool calls, then a sentence, by the number of answers in the conversation."""
    body = await request.json()
    step = sum(message["role"] == "assistant" for message in body["messages"])
    await asyncio.sleep(request.app["latency_s"])
    call = {
        "id": f"call_{step}",
        "type": "function",
        "function": {"name": "kb_search", "arguments": json.dumps({"query": f"bearing {step}"})},
    }
    message = {"role": "assistant", "content": "Sealed."}
    if step < CALLS:
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return web.json_response({"id": "1", "model": "fake", "choices": [choice], "usage": usage})


async def serve(latency_s: float) -> None:
    """Print the base URL, then answer until killed."""
    app = web.Application()
    app["latency_s"] = latency_s
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


@contextmanager
def served(latency_s: float) -> Iterator[str]:
    """The server in a process of its own; its base URL."""
    command = [sys.executable, __file__, "--serve", "--latency-s", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def workspace(folder: Path, base_url: str) -> Path:
    """A workspace with two prompts and the golden tasks; its configuration."""
    (folder / "prompts" / "a").mkdir(parents=True)
    (folder / "prompts" / "a" / "v1.md").write_text("Answer.\n")
    (folder / "prompts" / "a" / "v2.md").write_text("Answer well.\n")
    (folder / "golden").mkdir()
    tasks = ({"id": f"t{n}", "input": "Is the bearing sealed?"} for n in range(TASKS))
    (folder / "golden" / "a.jsonl").write_text("".join(json.dumps(t) + "\n" for t in tasks))
    (folder / "tools.py").write_text(TOOLS)
    (folder / "assay.yaml").write_text(CONFIG % base_url)
    return folder / "assay.yaml"


async def ours(base_url: str) -> None:
    """One evaluation's runs, and its Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        config = workspace(Path(folder), base_url)
        plan = settle(Request(candidates=("v2",), config=config), environ={}, now=datetime.now(UTC))
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


async def bare(base_url: str) -> None:
    """The same requests from a plain loop."""
    gate = asyncio.Semaphore(CONCURRENCY)
    text = "The bearings are sealed and need no grease. " * 12

    async def run(session: aiohttp.ClientSession) -> None:
        messages = [{"role": "user", "content": "Is the bearing sealed?"}]
        async with gate:
            for _ in range(CALLS + 1):
                body = {"model": "fake", "messages": messages}
                async with session.post(f"{base_url}/chat/completions", json=body) as response:
                    message = (await response.json())["choices"][0]["message"]
                messages += [message, {"role": "tool", "tool_call_id": "1", "content": text}]

    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(run(session) for _ in range(RUNS)))


def measured(work: Callable[[str], Awaitable[None]], base_url: str) -> tuple[float, float]:
    """Wall seconds, and CPU milliseconds a request of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(work(base_url))  # type: ignore[arg-type]
    return time.perf_counter() - wall, (time.process_time() - cpu) * 1000 / REQUESTS


def main() -> None:
    """Take turns, then print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency-s", type=float, default=0.0)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        asyncio.run(serve(given.latency_s))
    figures: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    with served(given.latency_s) as base_url:
        for turn in range(given.turns + 1):  # the first is a warm-up
            for name, work in (("bare", bare), ("ours", ours)):
                figure = measured(work, base_url)
                if turn:
                    figures[name].append(figure)
    print(f"{REQUESTS} requests, {RUNS} runs, {os.cpu_count()} cores, median of {given.turns}")
    for name, values in figures.items():
        wall, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name}: {wall:.2f} s wall, {cpu:.2f} ms CPU a request")


if __name__ == "__main__":
    main()
