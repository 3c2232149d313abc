"""An agent that is a Python function, run in processes of its own by `python_worker.py`.

It has its own `sys.path`, so that a `tasks.py` of its author's never meets ours, and its own
time: code that blocks, crashes or forks cannot stop an evaluation.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from assay.agent_sections import PythonSection
from assay.agents.answer import MAX_ANSWER_BYTES
from assay.agents.pool import NotStarted, Pool, start_talk
from assay.agents.pooled import PooledAgent
from assay.agents.proxy.environment import BASE_URL_VARIABLES
from assay.agents.talk import Gone, Talk
from assay.config import Config
from assay.errors import InputError

START_TIMEOUT_S = 60.0
"""For importing the function's module; some load a model on the way."""
WAITING_PER_CORE = 4
"""A function that is not async spends most of its time waiting for a model."""
_WORKER = Path(__file__).with_name("python_worker.py")
_START = "start"


@asynccontextmanager
async def open_python_agent(
    config: Config, section: PythonSection, code: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[PooledAgent]:
    """The configured function, called once per run.

    Raises:
        InputError: It cannot be imported, or cannot be called as an agent.
    """
    orders = {
        "folder": str(config.folder),
        "entrypoint": section.entrypoint,
        "config": section.config,
        "injects": section.inject_prompt,
        "base_url_variable": section.proxy and BASE_URL_VARIABLES[section.proxy.provider],
        "max_answer_chars": MAX_ANSWER_BYTES - 1,
    }
    try:
        talk, is_async = await _start(orders, environ)
    except NotStarted as why:
        raise InputError(
            f"agent.entrypoint {section.entrypoint}: {why}",
            path=config.path,
            mend="see docs/agents.md for where it is looked for and what it is given",
        ) from None
    cores = os.cpu_count() or 1
    size = section.processes or (cores if is_async else WAITING_PER_CORE * cores)
    pool = Pool(
        partial(_restarted, orders, environ),
        size=min(size, config.execution.max_concurrency),
        shared=is_async,
    )
    pool.adopt(talk)
    try:
        yield PooledAgent(section, pool=pool, budgets=config.budgets, code=code)
    finally:
        await pool.close()


async def _restarted(orders: dict[str, Any], environ: Mapping[str, str] | None) -> Talk:
    talk, _ = await _start(orders, environ)
    return talk


async def _start(orders: dict[str, Any], environ: Mapping[str, str] | None) -> tuple[Talk, bool]:
    """A process that is ready for runs, and whether it takes several at once."""
    talk = await start_talk(_command(), Path(orders["folder"]), environ)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            answer = await talk.ask(_START, orders)
    except TimeoutError:
        answer = Gone(f"not imported within {START_TIMEOUT_S:g} s", together=1)
    except asyncio.CancelledError:
        await talk.end("cancelled")
        raise
    problem = answer.words if isinstance(answer, Gone) else answer.get("problem")
    if isinstance(answer, Gone) or problem is not None:
        await talk.end("it could not be started")
        raise NotStarted(problem)
    return talk, bool(answer["is_async"])


def _command() -> Sequence[str]:
    # -P: the modules beside the script must not pose as the user's.
    return (sys.executable, "-P", str(_WORKER))
