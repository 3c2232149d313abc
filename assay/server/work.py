"""The worker's own process: `python -m assay.server.work FOLDER POOL SERVER`.

Started by `assay.server.worker` only, with its working directory and environment ready. It
is Prefect's process worker, with an end of its own: told to stop, it takes no new run, stops
the runs it has, waits until they have said so to the server, and leaves no process behind.
"""

import asyncio
import importlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from assay.server.api import NoAnswer, api_at
from assay.server.tenancy import claim, end_with_the_folder
from assay.server.worker import flow_processes, worker_name

STOP_S = 15.0
"""For the runs to end when the worker is told to stop; agents stop within ten seconds."""

_POLL_S = 0.1
_QUIET_S = 1.0


def main(arguments: list[str]) -> None:
    """Work until told to stop or until the folder is deleted."""
    folder, pool, _ = arguments
    with Path("working").open("w", encoding="utf-8") as held:
        claim(held, program="worker")
        end_with_the_folder(patience_s=2 * STOP_S)
        # By name: only this process may load Prefect, the rest of `assay` never does.
        process_worker = importlib.import_module("prefect.workers.process").ProcessWorker
        wait_for(f"work_pools/{pool}")
        asyncio.run(_work(process_worker, folder=folder, pool=pool))


def wait_for(path: str) -> None:
    """Return once the server that this environment names has something there."""
    api = api_at(os.environ["PREFECT_API_URL"], os.environ)
    while True:
        try:
            if api.get(path) is not None:
                return
        except NoAnswer:
            pass  # it is starting: whoever started it watches that
        time.sleep(_POLL_S)


async def _work(process_worker: Any, *, folder: str, pool: str) -> None:
    worker = process_worker(
        work_pool_name=pool, name=worker_name(os.getpid()), create_pool_if_not_found=False
    )
    told, take = asyncio.Event(), worker.get_and_submit_flow_runs

    async def take_until_told() -> Any:
        return [] if told.is_set() else await take()

    worker.get_and_submit_flow_runs = take_until_told
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    working = asyncio.create_task(worker.start())
    stopping = asyncio.create_task(told.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        await _stop_runs(folder)
        working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        return


async def _stop_runs(folder: str) -> None:
    """Ask every run to end, while the worker still reports how they ended."""
    loop = asyncio.get_running_loop()
    deadline, quiet_since = loop.time() + STOP_S, loop.time()
    asked = set()
    while loop.time() < min(deadline, quiet_since + _QUIET_S):
        for process in flow_processes(Path(folder)):
            quiet_since = loop.time()  # a run just taken may be about to start
            if process.pid not in asked:
                asked.add(process.pid)
                process.terminate()
        await asyncio.sleep(_POLL_S)


if __name__ == "__main__":
    main(sys.argv[1:])
